// --status-socket: a path has a slash; what has none is a port, or a host and a port.
import type { StatusAddress } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { maxSocketPath } from '../core/pool-id.ts';
import { parseWhole } from '../core/quantity.ts';

/** Nobody from outside may ask, unless that is said. */
const usualHost = '127.0.0.1';

export function parseStatusSocket(text: string | undefined): StatusAddress | undefined {
  if (text === undefined) return undefined;
  if (text.includes('/')) return parsePath(text);
  const match = /^(?:\[([^\]]*)\]:|([^:]*):)?(\d+)$/.exec(text);
  const port = parseWhole(match?.[3] ?? '', 1, 65_535);
  const host = match?.[1] ?? match?.[2] ?? usualHost;
  if (port !== undefined && host !== '') return { kind: 'tcp', host, port };
  throw new SpawnFcgiError(`invalid address for --status-socket: '${text}'`, {
    hints: [
      '--status-socket takes a path with a slash (./status.sock), or a port from 1 to 65535, alone or behind a host: 9001, 0.0.0.0:9001, [::1]:9001',
    ],
  });
}

function parsePath(path: string): StatusAddress {
  const bytes = new TextEncoder().encode(path).length;
  if (bytes <= maxSocketPath) return { kind: 'unix', path };
  throw new SpawnFcgiError(`the path of --status-socket is too long`, {
    hints: [`it has ${bytes} bytes, the kernel allows ${maxSocketPath}; a relative path counts as written`],
  });
}
