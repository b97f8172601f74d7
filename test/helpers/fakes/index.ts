// Supervisors that are none, for spawn-fcgictl and for a handover to talk to.
export * from './fake-supervisor.ts';
export * from './handover-ends.ts';
export * from './handover-giver.ts';
