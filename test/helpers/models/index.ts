// Models for unit tests, pure: a pool as a supervisor describes it, a machine for a supervisor, its clock, load.
export * from './example-page.ts';
export * from './example-pool.ts';
export * from './fake-machine.ts';
export * from './fake-pool.ts';
export * from './load-model.ts';
export * from './manual-clock.ts';
