// nginx in front of a status socket, with the locations of docs/monitoring.md: for everything, and for figures only.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { findCommand, freePort, isRoot, waitFor } from '../machine/index.ts';
import { type ForegroundPool, startForeground } from '../pool/index.ts';
import { send } from '../web/index.ts';

const docs = join(import.meta.dirname, '../../../docs');

/** The first block of the page in that language. */
export function monitoringBlock(language: string, page = 'monitoring.md'): string {
  const text = fs.readFileSync(join(docs, page), 'utf8');
  const block = text.split(`\`\`\`${language}\n`)[1]?.split('```')[0];
  if (block === undefined) throw new Error(`${page} has no ${language}`);
  return block;
}

export interface StatusNginx {
  /** On 127.0.0.1. */
  port: number;
  nginx: ForegroundPool;
}

export async function startStatusNginx(dir: string, status: string): Promise<StatusNginx> {
  const [port, own] = [await freePort(), join(dir, 'nginx')];
  fs.mkdirSync(own);
  fs.copyFileSync('/etc/nginx/fastcgi_params', join(own, 'fastcgi_params'));
  const locations = ['nginx', 'nginx figures']
    .map((language) => monitoringBlock(language).replace('/run/app.status', status))
    .join('')
    .replace('192.0.2.7', '127.0.0.1');
  const kinds = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'];
  const user = isRoot ? 'user root;' : '';
  fs.writeFileSync(
    join(own, 'nginx.conf'),
    `daemon off; ${user} pid nginx.pid; error_log error.log; events {}
    http { access_log off; ${kinds.map((kind) => `${kind}_temp_path ${kind};`).join(' ')}
      server { listen 127.0.0.1:${port}; ${locations} } }`,
  );
  const nginx = startForeground(['-p', own, '-c', 'nginx.conf', '-e', 'error.log'], {
    command: findCommand('nginx') ?? 'nginx',
  });
  await waitFor('nginx', async () => (await send(port, { path: '/ping', query: '' })).status === 200);
  return { port, nginx };
}
