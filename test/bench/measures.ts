// The parts of the benchmark, a file each.
export * from './measure-return.ts';
export * from './measure-exec.ts';
export * from './measure-respawn.ts';
export * from './measure-idle.ts';
export * from './measure-guards.ts';
export * from './measure-many.ts';
export * from './measure-status.ts';
export * from './measure-deploy.ts';
export * from './measure-reload.ts';
export * from './measure-saturated.ts';
export * from './measure-spare.ts';
export * from './measure-scaling.ts';
export * from './measure-throughput.ts';
export * from './measure-output.ts';
