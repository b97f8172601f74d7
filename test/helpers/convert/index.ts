// Configuration of others for spawn-fcgictl convert: the files of test/fixtures/convert, what is expected of each, and what
// the workers of a pool that came of one have been given.
export * from './complete-facts.ts';
export * from './conversion-fixtures.ts';
export * from './given-facts.ts';
