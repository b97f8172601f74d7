// Users and groups as /etc lists them, for hints: getpwnam(3) could ask a directory
// server over the network, and a hint must cost nothing.
import { readFileSync } from 'node:fs';

export interface Account {
  readonly name: string;
  readonly uid: number;
  /** The primary group and all others. */
  readonly gids: readonly number[];
}

/** Names under which web servers run on the distributions. */
export const webServerUsers = ['www-data', 'nginx', 'http', 'apache', 'caddy', 'lighttpd'] as const;

/** Those of the users that are there. */
export function findAccounts(names: readonly string[]): Account[] {
  const groups = readTable('/etc/group');
  return readTable('/etc/passwd').flatMap(([name = '', , uid, gid]) =>
    names.includes(name)
      ? [
          {
            name,
            uid: Number(uid),
            gids: [Number(gid), ...groups.flatMap((group) => membership(group, name))],
          },
        ]
      : [],
  );
}

export function findGroupNames(names: readonly string[]): string[] {
  return readTable('/etc/group').flatMap(([name = '']) => (names.includes(name) ? [name] : []));
}

/** The name of an ID, or the ID itself. */
export function nameOf(id: number, table: 'passwd' | 'group'): string {
  return readTable(`/etc/${table}`).find((fields) => Number(fields[2]) === id)?.[0] ?? String(id);
}

function membership([, , gid, members = '']: readonly string[], name: string): number[] {
  return members.split(',').includes(name) ? [Number(gid)] : [];
}

function readTable(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}
