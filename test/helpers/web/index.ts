// Clients, and what became of their requests: FastCGI, HTTP through nginx, load with a ledger.
// Outside of vitest (bench, demo) import the single files: held-request.ts needs machine/.
export * from './fastcgi-client.ts';
export * from './held-request.ts';
export * from './http-client.ts';
export * from './kept-client.ts';
export * from './ledger-table.ts';
export * from './ledger.ts';
export * from './nginx-config.ts';
export * from './request-load.ts';
export * from './side-by-side.ts';
export * from './status-client.ts';
export * from './transports.ts';
