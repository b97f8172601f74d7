// For tests of src/sys: what Node cannot do, by libc. Apart from machine/, because it loads koffi.
export * from './as-user.ts';
export * from './lone-worker.ts';
export * from './option-values.ts';
export * from './syslogd.ts';
export * from './system-calls.ts';
