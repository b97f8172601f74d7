// Pages of docs/ as tests read them: the commands of the recipes, and the tables that `npm run pages` writes.
export * from './commands.ts';
export * from './containers.ts';
export * from './init-scripts.ts';
export * from './init-systems.ts';
export * from './markdown.ts';
export * from './option-pages.ts';
export * from './recipe.ts';
export * from './systemd.ts';
export * from './tables.ts';
