/**
 * Temporary directories that disappear with the test (or test file) that made
 * them. Mode 0755, so that workers of another user can reach what is inside.
 */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';

/** Makes an empty directory with a short path (Unix sockets allow 107 bytes). */
export function makeTempDir(prefix = 'sf-'): string {
  const dir = mkdtempSync(join(realpathSync(tmpdir()), prefix));
  chmodSync(dir, 0o755);
  atEnd(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}
