// Virtual environments with pinned Python packages for tests, one per interpreter and list of packages, made once and
// kept in node_modules/.cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync, spawnSync } from 'node:child_process';
import { findCommand, isRoot } from '../machine/requirements.ts';
import { NOBODY } from '../machine/users.ts';

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache/python');

/** A Python 3 that can make virtual environments and that the workers' user may execute, if there is one. */
export function findPython(): string | undefined {
  const candidates = ['/usr/bin/python3', findCommand('python3')];
  return candidates.find((path) => path !== undefined && canMakeVenv(path));
}

/** Returns the directory of an environment with packages such as "flup==1.0.3"; its scripts run by `bin/python3 -m`. */
export function pythonVenv(python: string, packages: readonly string[]): string {
  const version = execFileSync(python, ['-VV']);
  const key = createHash('sha256')
    .update(JSON.stringify([python, packages]))
    .update(version);
  const dir = join(cacheDir, key.digest('hex').slice(0, 16));
  if (existsSync(dir)) return dir;
  mkdirSync(cacheDir, { recursive: true });
  const unfinished = `${dir}.${process.pid}`;
  try {
    run(python, ['-m', 'venv', unfinished]);
    const pip = ['-m', 'pip', '--quiet', '--disable-pip-version-check', 'install', '--no-cache-dir'];
    run(join(unfinished, 'bin/python3'), [...pip, ...packages]);
    renameSync(unfinished, dir);
  } catch (error) {
    // Another test file has been quicker.
    if (!existsSync(dir)) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return dir;
}

/** Where an environment has its packages. */
export function sitePackages(venv: string): string {
  const version = readdirSync(join(venv, 'lib')).find((name) => name.startsWith('python3'));
  return join(venv, 'lib', version ?? 'python3', 'site-packages');
}

function canMakeVenv(python: string): boolean {
  const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const options = { ...identity, cwd: '/', stdio: 'ignore' } as const;
  return spawnSync(python, ['-c', 'import venv, ensurepip'], options).status === 0;
}

function run(file: string, args: readonly string[]): void {
  execFileSync(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}
