// The file of --status-socket that a killed supervisor has left.
import type { PoolState } from '../core/pool-state.ts';
import { statusSocketFeature } from '../start/steps/open-status-socket.ts';
import { libc } from '../sys/libc/libc.ts';
import { fileType, removeIfSame, statAt } from '../sys/path/file-at.ts';
import { openParent } from '../sys/path/open-parent.ts';
import { isLive } from '../sys/socket/socket-place.ts';

/** Only the socket that it has bound, and only if nobody listens on it any more. */
export function removeStatusSocket({ memories }: Pick<PoolState, 'memories'>): void {
  const { path, identity } = (memories?.[statusSocketFeature] ?? {}) as Partial<Record<string, unknown>>;
  if (typeof path !== 'string' || !path.startsWith('/') || typeof identity !== 'string') return;
  try {
    const at = openParent(path);
    const facts = statAt(at.directory, at.name);
    const isSocket = facts !== undefined && (facts.mode & fileType.mask) === fileType.socket;
    if (isSocket && !isLive(path)) removeIfSame(at, identity);
    libc.close(at.directory);
  } catch {
    // Its directory is gone, or it became something else: it is nobody's any more.
  }
}
