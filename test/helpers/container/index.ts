// Containers by crun as Docker would make them: a root file system of this machine's files, the default capabilities and
// seccomp rules, namespaces of their own; pools in them, and requests to these from outside.
export * from './container.ts';
export * from './docker-image.ts';
export * from './docker-run.ts';
export * from './musl-system.ts';
export * from './pod.ts';
export * from './pool-container.ts';
export * from './root-directory.ts';
export * from './runtime-config.ts';
export * from './stop-command.ts';
