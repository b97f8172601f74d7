// The machine, looked at and acted upon: processes, users, ports, what is installed; waiting;
// cleaning up at a test's end.
// Outside of vitest (bench, demo, runner) import the single files: cleanup.ts and what needs it runs in tests only.
export * from './cleanup.ts';
export * from './free-port.ts';
export * from './inject-fault.ts';
export * from './marked-processes.ts';
export * from './memory-group.ts';
export * from './memory-watch.ts';
export * from './process-group.ts';
export * from './processes.ts';
export * from './requirements.ts';
export * from './run-command.ts';
export * from './sleeper.ts';
export * from './temp-dir.ts';
export * from './terminal.ts';
export * from './users.ts';
export * from './wait-for.ts';
