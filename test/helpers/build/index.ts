// Programs for workers to run: compiled, installed or copied to where their user can execute them.
// Runs outside of vitest, too.
export * from './compile-c.ts';
export * from './compile-go.ts';
export * from './npm-node.ts';
export * from './python-venv.ts';
export * from './responder-for.ts';
