// Puts the FastCGI program of the demo, and a Node to run it, where a given user can execute them:
// a checkout below /root is closed to everybody else.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync } from 'node:fs';
import { join } from 'node:path';

export const RESPONDER = 'node-responder.mjs';

export interface User {
  name: string;
  uid: number;
  gid: number;
}

/** Returns the command line of the responder, as [node, script]; `dir` must be open to `user`. */
export function placeResponder(dir: string, user: User | undefined): [string, string] {
  const script = join(dir, RESPONDER);
  copyFileSync(join(import.meta.dirname, '../../fixtures', RESPONDER), script);
  chmodSync(script, 0o755);
  const copy = join(dir, 'node');
  if (canRun(process.execPath, script, user)) return [process.execPath, script];
  linkOrCopy(process.execPath, copy);
  if (canRun(copy, script, user)) return [copy, script];
  throw new Error(
    `user ${user?.name ?? 'unknown'} can run neither ${process.execPath} nor a copy of it in ${dir}`,
  );
}

/** The user that a root shell should give the workers to: nobody. Undefined where there is nothing to drop. */
export function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const name = 'nobody';
  return { name, uid: idOf('-u', name), gid: idOf('-g', name) };
}

function idOf(option: '-u' | '-g', name: string): number {
  const { status, stdout } = spawnSync('id', [option, name], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`this machine has no user ${name}`);
  return Number(stdout);
}

/** Tries it: modes, ACLs and mount options on the way down are too many to judge one by one. */
function canRun(node: string, script: string, user: User | undefined): boolean {
  const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  return spawnSync(node, ['--check', script], { ...identity, cwd: '/', stdio: 'ignore' }).status === 0;
}

/** A link costs nothing, but works within one file system only. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
