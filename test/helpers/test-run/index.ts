// The test run itself: a /run of its own, a copy of the command that every user reaches, a watch for what is left behind.
export * from './file-lines.ts';
export * from './leftovers.ts';
export * from './longest-first.ts';
export * from './open-copy.ts';
export * from './outcome.ts';
export * from './own-run.ts';
export * from './state-bases.ts';
