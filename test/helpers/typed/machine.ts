// The machine that a page's commands are typed on: that of init scripts, with a network of its own, a /usr and a /var that
// may be written, and the users, programs and files that pages speak of.
import { chmodSync, copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'vitest';
import { compileC, fixture } from '../build/index.ts';
import { startMachine, type InitMachine } from '../init/machine.ts';
import { oursPath } from '../pool/index.ts';
import type { Stage } from './stages.ts';

/** What was installed: our commands beside 1.6's, in both places where pages have them. */
const install = `set -e
for dir in usr var; do
  mkdir -p /run/init/$dir /run/init/$dir.work
  mount -t overlay -o lowerdir=/$dir,upperdir=/run/init/$dir,workdir=/run/init/$dir.work overlay /$dir
done
cp /usr/bin/spawn-fcgi /usr/bin/spawn-fcgi.lighttpd
for name in spawn-fcgi spawn-fcgictl; do
  printf '#!/bin/sh\\nexec %s "$@"\\n' "${dirname(oursPath)}/$name" >/usr/local/bin/$name
  chmod 755 /usr/local/bin/$name
  cp --remove-destination /usr/local/bin/$name /usr/bin/$name
done
for name in app ada; do useradd --create-home --home-dir /srv/home/$name $name; done
cp /srv/app/app /usr/bin/app
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /srv/www /var/log/app /var/log/nginx /var/log/apache2 /var/log/lighttpd /var/lib/prometheus/node-exporter
`;

/** Programs in /srv/app, where commands are typed: all of them the same one. */
const programs = ['app', 'app.py', 'slow-to-start'];

function placeProgram(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(compileC(fixture('plain-echo.c')), path);
  chmodSync(path, 0o755);
}

export async function startTyped(stage: Stage): Promise<InitMachine> {
  const machine = await startMachine({ command: '1.6', hasOwnNetwork: true });
  const place = join(machine.root, 'srv/app');
  for (const name of programs) placeProgram(join(place, name));
  cpSync(resolve(import.meta.dirname, '../../../docs'), join(place, 'docs'), { recursive: true });
  const { status, stderr } = await machine.run(install);
  expect(status, stderr).toBe(0);
  for (const [path, text] of Object.entries(stage.files ?? {})) {
    mkdirSync(dirname(join(machine.root, path)), { recursive: true });
    writeFileSync(join(machine.root, path), text, { mode: 0o755 });
  }
  return machine;
}
