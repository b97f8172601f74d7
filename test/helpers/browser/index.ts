// A real browser, and what its pages complain about.
export * from './browser.ts';
export * from './small-png.ts';
