// Five web servers, each in front of every application; what is tried through them, and the table of what was found.
export * from './checks.ts';
export * from './echo-programs.ts';
export * from './exchange.ts';
export * from './found-table.ts';
export * from './git-programs.ts';
export * from './map-programs.ts';
export * from './page-lines.ts';
export * from './payloads.ts';
export * from './tested.ts';
export * from './tiled-tiff.ts';
export * from './web-servers.ts';
