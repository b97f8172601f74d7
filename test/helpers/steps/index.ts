// An operation taken apart into its steps: somebody killed at each, system calls that fail; and what has to come of it.
export * from './fault-choice.ts';
export * from './fault-operations.ts';
export * from './fault-verdict.ts';
export * from './killed-at-steps.ts';
export * from './killed-choice.ts';
export * from './killed-operations.ts';
export * from './killed-settings.ts';
export * from './killed-verdict.ts';
export * from './step-tracer.ts';
export * from './turn.ts';
