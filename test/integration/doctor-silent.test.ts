// `spawn-fcgictl doctor` beside web servers that are in order, and that pass requests on in ways of which it cannot
// tell all: it prints nothing, and names nothing that is not so.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';

/** A pool that every user may connect to; the first of two is on a path. */
async function startOne(transport?: 'TCP'): Promise<pools.EchoPlace> {
  const place = await pools.makeEchoPlace(transport);
  chmodSync(place.runDir, 0o755);
  await pools.start(place, transport ? [] : ['-M', '0666'], [], { address: place.address });
  return place;
}

function write(place: pools.Place, file: string, text: string): string {
  const path = join(place.dir, file);
  writeFileSync(path, text);
  return path;
}

/** 203.0.113.0/24 is nobody's (RFC 5737). */
const elsewhere = '203.0.113.7:9000';

test.each([
  ['nginx.conf', `http { server { location / { fastcgi_pass ${elsewhere}; } } }\n`],
  ['haproxy.cfg', `backend app\n  server one ${elsewhere} proto fcgi check\n`],
  ['lighttpd.conf', 'fastcgi.server = ( "/" => ((\n  "host" => "203.0.113.7",\n  "port" => 9000\n)) )\n'],
])(
  '%s passes to another machine: what listens there is not to be seen, which --all tells',
  async (file, text) => {
    const place = await startOne('TCP');
    const config = write(place, file, text);
    await pools.expectHealthy(place, ['--config', config]);
    const { stdout, status } = await pools.ctl(place.stateDir, ['doctor', '--all', '--config', config]);
    expect([status, stdout]).toEqual([
      0,
      `${elsewhere}: not seen: who listens on ${elsewhere}: that is no address of this machine\n`,
    ]);
  },
);

test('an address of another machine is no target, unless it is to be asked', async () => {
  const place = pools.makePlace();
  const { status, stdout, stderr } = await pools.ctl(place.stateDir, ['doctor', elsewhere]);
  expect([status, stdout]).toEqual([4, '']);
  expect(stderr).toBe(
    `spawn-fcgictl: no such pool: ${elsewhere} is no address of this machine: ask there, or for an answer from here by --request URI\n`,
  );
});

test('a variable may mean this pool, whatever else is passed to a socket that nobody has', async () => {
  const place = await startOne();
  const location = (to: string): string => `server { location / { fastcgi_pass ${to}; } }`;
  const text = `http { ${location('$backend')} ${location(`unix:${place.name}2`)} }\n`;
  await pools.expectHealthy(place, [place.name, '--config', write(place, 'nginx.conf', text)]);
});

test('lighttpd starts some programs itself, on sockets of other names', async () => {
  const place = await startOne();
  const text = `fastcgi.server = ( ".php" => ((
  "bin-path" => "/usr/bin/php-cgi",
  "socket" => "${place.dir}/php.socket",
  "max-procs" => 2 # ( one more )
)) )
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => ${await machine.freePort()} )) )\n`;
  await pools.expectHealthy(place, ['--config', write(place, 'lighttpd.conf', text)]);
});

test("Apache's includes are below its root, wherever the file that has them is", async () => {
  const place = await startOne();
  for (const name of ['sites', 'conf']) mkdirSync(join(place.dir, name));
  write(place, 'conf/app.conf', `ProxyPass / "unix:${place.dir}/gone.sock|fcgi://localhost/"\n`);
  write(place, 'sites/a.conf', 'Include conf/app.conf\n');
  const config = write(place, 'apache.conf', 'IncludeOptional sites/*.conf\n');
  const { status, stdout } = await pools.ctl(place.stateDir, ['doctor', '--config', config]);
  expect(status).toBe(1);
  expect(stdout).toContain(`${place.dir}/conf/app.conf:1 (Apache, which is not seen to run)`);
});

/** Doctor where this is mounted there. */
function diagnose(
  place: pools.Place,
  [path, where]: readonly [path: string, where: string],
  args: readonly string[],
): Promise<machine.RunResult> {
  const words = ['--mount', 'sh', '-c', `mount --bind ${path} ${where} && exec "$@"`, 'doctor'];
  const line = [pools.ctlPath, '--state-dir', place.stateDir, 'doctor', ...args];
  return machine.runCommand('unshare', [...words, ...line], { cwd: place.dir });
}

test('localhost is what this machine takes it for', async (ctx: TestContext) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare');
  const place = await startOne('TCP');
  const to = place.name.replace('127.0.0.1', 'localhost');
  const text = `http { server { location / { fastcgi_pass ${to}; } } }\n`;
  const args = [place.name, '--config', write(place, 'nginx.conf', text)];
  const hosts = (lines: string) => [write(place, 'hosts', lines), '/etc/hosts'] as const;
  expect(await diagnose(place, hosts('127.0.0.1 localhost\n'), args)).toMatchObject({
    status: 0,
    stdout: '',
  });
  const both = await diagnose(place, hosts('127.0.0.1 localhost\n::1 localhost ip6-localhost\n'), args);
  expect(both.status).toBe(1);
  expect(both.stdout).toMatch(
    /passes requests to localhost, which is \[::1\]:\d+ and 127\.0\.0\.1:\d+, and nobody listens on \[::1\]/,
  );
  expect(both.stdout).toMatch(new RegExp(`^fix: write the address instead of the name: ${place.name}`, 'm'));
});

test('the configuration of a web server that does not run counts only where no other one runs', async (ctx: TestContext) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', 'nginx', 'apache2');
  const place = await startOne();
  mkdirSync(join(place.dir, 'apache2'));
  write(place, 'apache2/apache2.conf', `ProxyPass / "unix:${place.name}2|fcgi://localhost/"\n`);
  const left = [join(place.dir, 'apache2'), '/etc/apache2'] as const;
  await sites.startNginx(place.dir, { address: `127.0.0.1:${await machine.freePort()}`, script: '/' });
  expect(await diagnose(place, left, [place.name])).toMatchObject({ status: 0, stdout: '', stderr: '' });
});
