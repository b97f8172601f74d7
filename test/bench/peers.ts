// The programs that stand beside ours, found on this machine, with their versions.
import { spawnSync } from 'node:child_process';
import { findCommand } from '../helpers/machine/requirements.ts';
import type { ContenderName } from './row.ts';

export interface Peer {
  path: string;
  version: string;
}

export type PeerName = Exclude<ContenderName, 'ours' | 'node' | 'bare'>;
export type Peers = Record<PeerName, Peer | undefined>;

/** How to get a peer that is not there, by Debian package. */
export const packages: Record<PeerName, string> = {
  '1.6': 'spawn-fcgi',
  multiwatch: 'multiwatch',
  supervisord: 'supervisor',
  'php-fpm': 'php-fpm',
};

/** The first line a program says about its version; some say it on stderr. */
export function versionOf(path: string, flag: string): string {
  const { stdout, stderr } = spawnSync(path, [flag], { encoding: 'utf8' });
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

function findPeer(names: readonly string[], flag: string, wanted?: RegExp): Peer | undefined {
  for (const name of names) {
    const path = findCommand(name);
    if (path === undefined) continue;
    const version = versionOf(path, flag);
    if (wanted === undefined || wanted.test(version)) return { path, version };
  }
  return undefined;
}

export function findPeers(): Peers {
  return {
    // By its path first: npm puts this package's own spawn-fcgi in front of PATH.
    '1.6': findPeer(['/usr/bin/spawn-fcgi', 'spawn-fcgi'], '-v', /^spawn-fcgi v1\.6/),
    multiwatch: findPeer(['multiwatch'], '-v'),
    supervisord: findPeer(['supervisord'], '-v'),
    'php-fpm': findPeer(['php-fpm', ...['8.4', '8.3', '8.2'].map((version) => `php-fpm${version}`)], '-v'),
  };
}

export function missingPeers(peers: Peers): PeerName[] {
  const needed: Record<PeerName, boolean> = {
    '1.6': peers['1.6'] !== undefined,
    // multiwatch inherits its socket, and spawn-fcgi -n is what gives it one.
    multiwatch: peers.multiwatch !== undefined && peers['1.6'] !== undefined,
    supervisord: peers.supervisord !== undefined,
    'php-fpm': peers['php-fpm'] !== undefined,
  };
  return (Object.keys(needed) as PeerName[]).filter((name) => !needed[name]);
}
