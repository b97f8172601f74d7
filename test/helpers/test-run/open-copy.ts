// The command where every user can run it: a checkout below /root is closed to the
// ordinary users that some tests start it as.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NOBODY } from '../machine/users.ts';

const checkout = join(import.meta.dirname, '../../..');
const parts = [
  'bin',
  'dist',
  'package.json',
  'node_modules/koffi',
  'node_modules/@koromix',
  'node_modules/node',
];

export interface OpenCopy {
  readonly command: string;
  remove(): void;
}

/** Copies what is installed to a temporary directory; undefined where the checkout will do. */
export function makeOpenCopy(): OpenCopy | undefined {
  const identity = { uid: NOBODY, gid: NOBODY };
  if (process.getuid?.() !== 0) return undefined;
  if (
    spawnSync(join(checkout, 'bin/spawn-fcgi'), ['-v'], { ...identity, cwd: '/', stdio: 'ignore' }).status ===
    0
  ) {
    return undefined;
  }
  const place = mkdtempSync(join(tmpdir(), 'spawn-fcgi-open-'));
  chmodSync(place, 0o755);
  for (const part of parts) cpSync(join(checkout, part), join(place, part), { recursive: true });
  mkdirSync(join(place, 'node_modules/.bin'));
  symlinkSync('../node/bin/node', join(place, 'node_modules/.bin/node'));
  return {
    command: join(place, 'bin/spawn-fcgi'),
    remove: () => rmSync(place, { recursive: true, force: true }),
  };
}
