// The site of docs/turbogears.md, made by typing the page's commands into a shell.
export * from './shell.ts';
export * from './site.ts';
export * from './stream.ts';
export * from './venv.ts';
