// nginx in a systemd machine, as a unit of it, with a server on a Unix socket for each pool; and the program of the pools.
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compileC, fixture } from '../build/index.ts';
import { nginxConfig, startLoad, type Load, type LoadOptions } from '../web/index.ts';
import type { SystemdMachine } from './machine.ts';

/** Echoes, and has no signal handling. */
export const echoProgram = '/srv/app/plain-echo';

export function placeEcho(host: SystemdMachine): void {
  const to = join(host.root, echoProgram);
  mkdirSync(join(to, '..'), { recursive: true });
  copyFileSync(compileC(fixture('plain-echo.c')), to);
  chmodSync(to, 0o755);
}

/** Writes and starts nginx.service: a server for each of the pools, by their addresses as nginx writes them. */
export async function startWeb(host: SystemdMachine, pools: Readonly<Record<string, string>>): Promise<void> {
  const backends = Object.entries(pools).map(
    ([name, address]) => [`/srv/web/${name}.sock`, { address, script: '/' }] as const,
  );
  host.write('/srv/web/nginx.conf', nginxConfig(new Map(backends)));
  host.write('/etc/systemd/system/nginx.service', nginxUnit);
  await host.ok('systemctl daemon-reload && systemctl start nginx');
}

/** Where requests to a pool go, from outside of the machine. */
export function webAddress(host: SystemdMachine, pool: string): string {
  return join(host.root, `srv/web/${pool}.sock`);
}

export function loadOn(host: SystemdMachine, pool: string, options: LoadOptions = {}): Load {
  return startLoad(webAddress(host, pool), { errorLog: join(host.root, 'srv/web/error.log'), ...options });
}

const nginxUnit = `[Unit]
Description=nginx
[Service]
Type=exec
WorkingDirectory=/srv/web
ExecStart=/usr/sbin/nginx -p /srv/web -c nginx.conf -e error.log
# It has bound its sockets then.
ExecStartPost=/bin/sh -c 'until [ -s nginx.pid ]; do sleep 0.02; done'
[Install]
WantedBy=multi-user.target
`;
