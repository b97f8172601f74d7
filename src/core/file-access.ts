// What the permission bits of a file let somebody do; lists of access control are not looked at.

export interface Permissions {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface Visitor {
  readonly uid: number;
  readonly gids: readonly number[];
}

/** Execute a file, or search a directory; write a file, or connect to a socket. */
export const permission = { search: 0o1, write: 0o2 } as const;

/** The first class that fits counts, owner, group, others, even where a later one would allow more; root may all. */
export function permits({ uid, gid, mode }: Permissions, visitor: Visitor, bit: number): boolean {
  if (visitor.uid === 0) return true;
  const shift = visitor.uid === uid ? 6 : visitor.gids.includes(gid) ? 3 : 0;
  return ((mode >> shift) & bit) !== 0;
}
