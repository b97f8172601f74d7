/**
 * A promise that a test awaits later. A test that fails before it comes to that has told why: what then becomes of a
 * request to its pool, which ends with it, is no failure of its own.
 */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
