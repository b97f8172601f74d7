// Every table of situations.
export * from './address.situations.ts';
export * from './chroot.situations.ts';
export * from './command-line.situations.ts';
export * from './environment.situations.ts';
export * from './foreground.situations.ts';
export * from './identity.situations.ts';
export * from './long-name.situations.ts';
export * from './no-supervise.situations.ts';
export * from './pid-file.situations.ts';
export * from './process.situations.ts';
export * from './program.situations.ts';
export * from './socket-file.situations.ts';
