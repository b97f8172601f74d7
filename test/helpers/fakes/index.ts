// A supervisor that is none, for spawn-fcgictl to talk to: a state file and a control socket of the test.
export * from './fake-supervisor.ts';
