// Who listens on an address that we could not have: for hints only.
import type { BoundAddress } from '../core/pool-id.ts';
import type { ProcFs } from './proc-fs.ts';

export interface Holder {
  readonly pid: number;
  readonly comm: string;
}

/** The first process found that has the listening socket open, as far as we may see; undefined otherwise. */
export function findHolder(proc: ProcFs, address: BoundAddress): Holder | undefined {
  const inodes = address.kind === 'tcp' ? listeningInodes(proc, address) : socketInodes(proc, address.path);
  if (inodes.size === 0) return undefined;
  for (const pid of proc.pids()) {
    for (const fd of proc.list(`${pid}/fd`)) {
      const link = proc.readLink(`${pid}/fd/${fd}`);
      if (link?.startsWith('socket:[') && inodes.has(link.slice(8, -1))) {
        return { pid, comm: proc.stat(pid)?.comm ?? '?' };
      }
    }
  }
  return undefined;
}

const TCP_LISTEN = '0A';

/** Inodes of listening sockets whose bind would collide: the same port on the same or on every address. */
function listeningInodes(proc: ProcFs, address: Extract<BoundAddress, { kind: 'tcp' }>): Set<string> {
  const port = address.port.toString(16).toUpperCase().padStart(4, '0');
  const lines = [...proc.readTable('net/tcp'), ...proc.readTable('net/tcp6')];
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === TCP_LISTEN && fields[1]?.endsWith(`:${port}`))
      .map((fields) => fields[9] ?? ''),
  );
}

function socketInodes(proc: ProcFs, path: string): Set<string> {
  const fields = proc.readTable('net/unix').map((line) => line.split(/\s+/));
  return new Set(fields.filter((entry) => entry[7] === path).map((entry) => entry[6] ?? ''));
}
