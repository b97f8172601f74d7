// The directories that somebody has to pass to reach a path, links followed: for questions about others' permissions.
// Looks at them only, opens nothing. Loads no libc.
import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Permissions } from '../../core/file-access.ts';

export interface PathFacts extends Permissions {
  readonly path: string;
  readonly kind: 'directory' | 'socket' | 'file' | 'other';
}

export interface Way {
  /** From the root on. */
  readonly directories: readonly PathFacts[];
  /** What is at the end. Undefined: nothing. */
  readonly end: PathFacts | undefined;
  /** The first thing that is not there; undefined: everything is. */
  readonly missing: string | undefined;
  /** What we may not look at ourselves. */
  readonly hidden: string | undefined;
}

const mostLinks = 40;

export function wayTo(path: string): Way {
  const directories = new Map<string, PathFacts>();
  const todo = resolve(path).split('/').filter(Boolean);
  let at = '/';
  let links = 0;
  const root = look('/');
  if (typeof root === 'string') return { directories: [], end: undefined, missing: undefined, hidden: '/' };
  let end: PathFacts | undefined = root;
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    if (end.kind === 'directory') directories.set(at, end);
    const next = name === '..' ? dirname(at) : join(at, name);
    const facts = look(next);
    if (facts === 'ENOENT' || facts === 'ENOTDIR')
      return { directories: [...directories.values()], end: undefined, missing: next, hidden: undefined };
    if (typeof facts === 'string' || (facts.target !== undefined && ++links > mostLinks))
      return { directories: [...directories.values()], end: undefined, missing: undefined, hidden: next };
    if (facts.target === undefined) {
      at = next;
      end = facts;
      continue;
    }
    todo.unshift(...facts.target.split('/').filter((part) => part !== '' && part !== '.'));
    if (facts.target.startsWith('/')) {
      at = '/';
      end = root;
    }
  }
  return { directories: [...directories.values()], end, missing: undefined, hidden: undefined };
}

/** An error's code where it cannot be looked at. */
function look(path: string): (PathFacts & { readonly target: string | undefined }) | string {
  try {
    const facts = lstatSync(path);
    const kind = facts.isDirectory()
      ? 'directory'
      : facts.isSocket()
        ? 'socket'
        : facts.isFile()
          ? 'file'
          : 'other';
    const { uid, gid, mode } = facts;
    return { path, kind, uid, gid, mode, target: facts.isSymbolicLink() ? readlinkSync(path) : undefined };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
