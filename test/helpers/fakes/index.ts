// Supervisors that are none, for spawn-fcgictl and for a handover to talk to, and FastCGI servers that do what a test says.
export * from './fake-supervisor.ts';
export * from './fastcgi-server.ts';
export * from './handover-ends.ts';
export * from './handover-giver.ts';
export * from './service-manager.ts';
