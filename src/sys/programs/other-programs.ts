// What spawn-fcgictl does by other programs, and so by execa: a bundle of its own, loaded on demand. Not for the supervisor,
// whose children are its own to reap.
export * from './journal-query.ts';
export * from './shell-command.ts';
