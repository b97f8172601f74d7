// Machines whose PID 1 is the real systemd, in namespaces: the units of docs/systemd/ on them, nginx in front, and load.
export * from './machine.ts';
export * from './operations.ts';
export * from './sites.ts';
export * from './units.ts';
export * from './user-manager.ts';
