// Debian without Node: a machine of debootstrap's, on which our packages are installed.
export * from './debian-machine.ts';
export * from './debian-root.ts';
export * from './packages.ts';
