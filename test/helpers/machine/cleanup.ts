/**
 * Runs a cleanup when the running test ends, or, called outside a test (in
 * beforeAll or at the top of a file), when the test file ends. In concurrent
 * tests clean up in a finally block instead: "the running test" is ambiguous.
 */
import { afterAll, onTestFinished } from 'vitest';

type Cleanup = () => void | Promise<void>;

const atEndOfFile: Cleanup[] = [];

afterAll(async () => {
  for (const cleanup of atEndOfFile.splice(0).reverse()) await cleanup();
});

export function atEnd(cleanup: Cleanup): void {
  try {
    onTestFinished(cleanup);
  } catch {
    atEndOfFile.push(cleanup);
  }
}
