// Other versions of Node, as npm's package "node" brings them. Installed once, and kept in node_modules/.cache.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache/node');

/** The program of a version such as 22.23.3: that package's part for this machine, 45 MB of the registry. */
export function installNode(version: string): string {
  if (process.version === `v${version}`) return process.execPath;
  const place = join(cacheDir, version);
  const program = `node_modules/node-linux-${process.arch}/bin/node`;
  if (!existsSync(place)) {
    const unfinished = `${place}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const options = [
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--no-save',
      '--ignore-scripts',
      '--prefix',
      unfinished,
    ];
    try {
      execFileSync('npm', ['install', ...options, `node-linux-${process.arch}@${version}`], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' },
      });
      renameSync(unfinished, place);
    } catch (error) {
      // Another test file has been quicker.
      if (!existsSync(place)) throw error;
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  return join(place, program);
}
