// Shells as people use them: on a terminal.
export * from './screen.ts';
