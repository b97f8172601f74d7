// Pools of the built commands: a place for one, its start and end, what it is asked through spawn-fcgictl, its releases.
export * from './by-16.ts';
export * from './command-under-test.ts';
export * from './ctl.ts';
export * from './doctor.ts';
export * from './echo-pool.ts';
export * from './given.ts';
export * from './place.ts';
export * from './releases.ts';
export * from './reload.ts';
