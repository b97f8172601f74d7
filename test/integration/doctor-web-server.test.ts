// `spawn-fcgictl doctor` where the web server does not get to the pool: its configuration, directories, mode and owner of
// the socket, and what SELinux or AppArmor say.
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';

const { expectFinding, expectHealthy } = pools;

/** A configuration of nginx as `nobody`, in a file of the place. */
function configure(place: pools.Place, address: string, further = ''): string {
  const config = join(place.dir, 'nginx.conf');
  const text = `user nobody nogroup;\nhttp {\n  server {\n    location / {\n      fastcgi_pass ${address};\n    }\n  }\n${further}}\n`;
  writeFileSync(config, text);
  return config;
}

/** A pool of root's in a directory that everybody may enter. */
async function startForEverybody(): Promise<pools.EchoPlace> {
  const place = await pools.makeEchoPlace();
  chmodSync(place.runDir, 0o755);
  await pools.start(place, ['-M', '0666'], [], { address: place.address });
  return place;
}

describe('the configuration', () => {
  test('names the pool, also by an upstream: nothing is wrong', async () => {
    const place = await startForEverybody();
    await expectHealthy(place, [place.name, '--config', configure(place, `unix:${place.name}`)]);
    const upstream = `  upstream app { server unix:${place.name}; }\n`;
    await expectHealthy(place, [place.name, '--config', configure(place, 'app', upstream)]);
  });

  test('names another path, in a file that it includes', async () => {
    const place = await startForEverybody();
    mkdirSync(join(place.dir, 'sites'));
    writeFileSync(
      join(place.dir, 'sites/a.conf'),
      `# a comment {\nserver { location / {\n  fastcgi_pass unix:${place.name}2; } }\n`,
    );
    const config = join(place.dir, 'nginx.conf');
    writeFileSync(config, 'http { include sites/*.conf; }\n');
    await expectFinding(place, [place.name, '--config', config], {
      check: 'web-server-address',
      says: /sites\/a\.conf:3 passes requests to \S+app\.sock2, where nobody listens/,
      fix: new RegExp(`write unix:${place.name} into \\S+a\\.conf:3, and reload nginx`),
    });
  });

  test('names another port, and is that of an nginx that runs', async (ctx) => {
    machine.needCommands(ctx, 'nginx');
    const place = await pools.makeEchoPlace('TCP');
    await pools.start(place, [], [], { address: place.address });
    const wrong = `127.0.0.1:${await machine.freePort()}`;
    await sites.startNginx(place.dir, { address: wrong, script: '/' });
    const config = join(place.dir, 'nginx/nginx.conf');
    await expectFinding(place, [place.name, '--config', config], {
      check: 'web-server-address',
      says: new RegExp(`nginx\\.conf:\\d+ passes requests to ${wrong}`),
      fix: new RegExp(`write ${place.name} into`),
      evidence: /\(nginx, PID \d+\): server/,
    });
  });

  test('is found by the process that runs by it', async (ctx) => {
    machine.needCommands(ctx, 'nginx');
    machine.needRoot(ctx);
    const place = await pools.makeEchoPlace();
    chmodSync(place.runDir, 0o755);
    await pools.start(place, ['-M', '0600'], [], { address: place.address });
    await sites.startNginx(place.dir, { address: `unix:${place.name}`, script: '/' });
    const { stdout } = await pools.ctl(place.stateDir, ['doctor', place.name]);
    expect(stdout).toMatch(/: nobody, as whom nginx runs, may not connect to .*\(mode 0600, root:root\)/);
    expect(stdout).toMatch(/\n {2}nginx, PID \d+, runs as nobody \(uid 65534, groups nogroup\)\n/);
  });

  test('is found of a service with mounts of its own, whose files are ours', async (ctx) => {
    machine.needCommands(ctx, 'nginx', 'unshare');
    machine.needRoot(ctx);
    const place = await startForEverybody();
    chmodSync(place.name, 0o600);
    await sites.startNginx(place.dir, { address: `unix:${place.name}`, script: '/' }, ['unshare', '--mount']);
    const { stdout } = await pools.ctl(place.stateDir, ['doctor', place.name]);
    expect(stdout).toMatch(
      /: nobody, as whom nginx runs, may not connect to .*\n.*\n {2}nginx, PID \d+, runs as/,
    );
  });

  test('names the pool, which the web server does not see in a directory of its own', async (ctx) => {
    machine.needCommands(ctx, 'nginx', 'unshare');
    machine.needRoot(ctx);
    const place = await startForEverybody();
    const within = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs "$0" && exec "$@"', place.runDir];
    await sites.startNginx(place.dir, { address: `unix:${place.name}`, script: '/' }, within);
    await expectFinding(place, [place.name, '--config', join(place.dir, 'nginx/nginx.conf')], {
      check: 'private-directory',
      says: /: nginx has a directory of its own where the socket \S+app\.sock is, and does not see it/,
      fix: /such as \/run: -s \/run\/NAME\.sock/,
      evidence: /\(nginx, PID \d+\): server unix:\S+app\.sock/,
    });
  });

  test('that another user may have written is not read by root, which --all tells', async (ctx) => {
    machine.needRoot(ctx);
    const place = await startForEverybody();
    const config = configure(place, `unix:${place.name}2`);
    machine.giveAway(config, machine.NOBODY);
    await expectHealthy(place, [place.name, '--config', config]);
    const { stdout } = await pools.ctl(place.stateDir, ['doctor', place.name, '--config', config, '--all']);
    expect(stdout).toMatch(/not seen: \S+nginx\.conf .*others than root may choose what is there/);
  });
});

describe('without a target', () => {
  test('every address that a web server passes to is looked at, and one cause is named once', async () => {
    const place = await startForEverybody();
    const config = configure(place, `unix:${place.name}2`);
    const { stdout, status } = await pools.ctl(place.stateDir, ['doctor', '--config', config]);
    expect(status).toBe(1);
    expect(stdout.match(/^fix: /gm)).toHaveLength(1);
    expect(stdout).toMatch(/^pool '\w+' .*passes requests to \S+app\.sock2, where nobody listens/);
    configure(
      place,
      `unix:${place.name}`,
      `  server { location / { fastcgi_pass unix:${place.dir}/other.sock; } }\n`,
    );
    const other = await pools.ctl(place.stateDir, ['doctor', '--config', config]);
    expect(other.stdout).toMatch(/^\S+other\.sock: there is no socket \S+other\.sock.*\nfix: /);
    expect(other.stdout.match(/^fix: /gm)).toHaveLength(1);
  });
});

describe("the web server's user", () => {
  test('cannot enter a directory above the socket', async (ctx) => {
    machine.needRoot(ctx);
    const place = await startForEverybody();
    chmodSync(place.runDir, 0o750);
    await expectFinding(place, [place.name, '--config', configure(place, `unix:${place.name}`)], {
      check: 'web-server-directory',
      says: /nobody, as whom nginx runs, cannot enter \S+\/run \(mode 0750, root:root\)/,
      fix: /^fix: chmod o\+x \S+\/run, or take a directory that everybody may enter/,
      evidence: /fastcgi_pass unix:/,
    });
  });

  test('cannot enter it, and neither can the supervisor', async (ctx) => {
    machine.needRoot(ctx);
    const place = await pools.makeEchoPlace();
    chmodSync(place.runDir, 0o755);
    await pools.start(place, ['-M', '0666', '-u', 'nobody', '-g', 'nogroup'], [], { address: place.address });
    chmodSync(place.runDir, 0o700);
    await expectFinding(place, [place.name, '--config', configure(place, `unix:${place.name}`)], {
      check: 'web-server-directory',
      says: /nobody, as whom nginx runs, cannot enter \S+\/run/,
      fix: /chmod o\+x/,
    });
  });

  test('may not connect, by mode and owner of the socket', async (ctx) => {
    machine.needRoot(ctx);
    const place = await startForEverybody();
    const args = [place.name, '--config', configure(place, `unix:${place.name}`)];
    chmodSync(place.name, 0o640);
    const says = (owner: string) =>
      new RegExp(`may not connect to \\S+app\\.sock \\(${owner}\\): to connect is to write`);
    await expectFinding(place, args, {
      check: 'web-server-socket',
      says: says('mode 0640, root:root'),
      fix: /chgrp nogroup \S+ && chmod 0660 \S+, and -M 0660 -G nogroup for the next start/,
    });
    chownSync(place.name, 0, machine.NOBODY);
    await expectFinding(place, args, {
      check: 'web-server-socket',
      says: says('mode 0640, root:nogroup'),
      fix: /^fix: chmod 0660 \S+, and -M 0660 for the next start/,
    });
    chmodSync(place.name, 0o660);
    await expectHealthy(place, args);
  });
});

describe('audit says so:', () => {
  /** Runs doctor where the files of a policy and of its log are these. */
  async function underPolicy(place: pools.Place & { name: string }, files: Record<string, string>) {
    const mounts = ['/sys/fs', '/sys/module', '/var/log'].map((path) => `mount -t tmpfs tmpfs ${path}`);
    const writes = Object.entries(files).map(
      ([path, text]) => `mkdir -p "$(dirname ${path})" && printf '%s\\n' '${text}' >${path}`,
    );
    const doctor = `'${pools.ctlPath}' --state-dir '${place.stateDir}' doctor '${place.name}' --config /dev/null`;
    const script = [...mounts, ...writes, doctor].join(' && ');
    return machine.runCommand('unshare', ['--mount', '/bin/sh', '-c', script]);
  }

  const now = (): string => `audit(${Math.floor(Date.now() / 1000)}.123:45)`;

  test('SELinux refuses a port, AppArmor a socket; not where it is long ago', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = await pools.makeEchoPlace('TCP');
    await pools.start(place, [], [], { address: place.address });
    const port = place.name.split(':')[1];
    const denial = (time: string): Record<string, string> => ({
      '/sys/fs/selinux/enforce': '1',
      '/var/log/audit/audit.log': `type=AVC msg=${time}: avc:  denied  { name_connect } for  pid=7 comm="nginx" dest=${port} tclass=tcp_socket`,
    });
    const selinux = await underPolicy(place, denial(now()));
    expect(selinux).toMatchObject({ status: 1, stderr: '' });
    expect(selinux.stdout).toMatch(
      /: SELinux refuses the connection of nginx\nfix: setsebool -P httpd_can_network_connect on/,
    );
    expect(await underPolicy(place, denial('audit(1600000000.123:45)'))).toMatchObject({
      status: 0,
      stdout: '',
    });
    expect(await underPolicy(place, { ...denial(now()), '/sys/fs/selinux/enforce': '0' })).toMatchObject({
      status: 0,
    });
    const unix = await startForEverybody();
    const apparmor = await underPolicy(unix, {
      '/sys/module/apparmor/parameters/enabled': 'Y',
      '/var/log/kern.log': `kernel: ${now()}: apparmor="DENIED" operation="connect" profile="/usr/sbin/nginx" name="${unix.name}" pid=7 comm="nginx"`,
    });
    expect(apparmor.stdout).toMatch(
      /: AppArmor refuses the connection of nginx \(profile \/usr\/sbin\/nginx\)\nfix: add "\S+ rw," to/,
    );
  });
});
