// Whole machines by init systems' scripts: an empty one in namespaces, the pool on it, and requests to that.
export * from './machine.ts';
export * from './openrc.ts';
export * from './requests.ts';
export * from './supervised.ts';
