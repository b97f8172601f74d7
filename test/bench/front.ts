// One nginx in front of pools.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCommand } from '../helpers/machine/requirements.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { nginxConfig, type Backend } from '../helpers/web/nginx-config.ts';
import { startInForeground } from './pool.ts';
import { freshPath, type Workplace } from './workplace.ts';

/** Each pool has a port of its own. */
export async function startFront(
  place: Workplace,
  pools: readonly (Pick<Backend, 'keptConnections'> & {
    readonly port: number;
    readonly address: readonly string[];
    readonly script?: string;
  })[],
) {
  const dir = freshPath(place, 'nginx');
  mkdirSync(dir);
  const backends = pools.map(({ port, address, script = '/', keptConnections }): [number, Backend] => {
    const keeping = keptConnections === undefined ? {} : { keptConnections, keepsAsShipped: true };
    return [port, { address: addressForNginx(address), script, ...keeping }];
  });
  writeFileSync(join(dir, 'nginx.conf'), nginxConfig(new Map(backends)));
  const file = findCommand('nginx');
  if (file === undefined) throw new Error('nginx is not installed');
  const { pid } = startInForeground({ file, args: ['-p', dir, '-c', 'nginx.conf', '-e', 'error.log'] });
  await waitFor('nginx to listen', () => readText(join(dir, 'nginx.pid')).trim() === String(pid));
  return { pid, errorLog: join(dir, 'error.log') };
}

function addressForNginx(address: readonly string[]): string {
  const value = (option: string): string | undefined => address[address.indexOf(option) + 1];
  return address.includes('-s') ? `unix:${value('-s')}` : `${value('-a')}:${value('-p')}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
