// The web server that may not connect to the socket's default mode: told on a terminal, with the option that lets it in.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { permission, permits } from '../../src/core/file-access.ts';
import { needCommands, needRoot, runCommand } from '../helpers/machine/index.ts';
import { oursPath, printedPids, endPool, hintsOf, makePlace, type Place } from '../helpers/pool/index.ts';

const users = { app: 3001, nginx: 3002, caddy: 3003 } as const;

/** A machine with these users; web servers can enter the place's directories. */
function prepare(ctx: TestContext, names: readonly (keyof typeof users)[]): Place {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'mount', 'script');
  const place = makePlace();
  const lines = (make: (name: keyof typeof users) => string): string =>
    ['root:x:0:0::/:/bin/sh', ...names.map(make), ''].join('\n');
  writeFileSync(
    join(place.dir, 'passwd'),
    lines((name) => `${name}:x:${users[name]}:${users[name]}::/:/bin/sh`),
  );
  writeFileSync(
    join(place.dir, 'group'),
    lines((name) => `${name}:x:${users[name]}:`),
  );
  chmodSync(place.runDir, 0o755);
  return place;
}

/** What a start tells of it, on a terminal or not. */
async function start(
  place: Place,
  options: readonly string[],
  { umask = '022', terminal = true } = {},
): Promise<string[]> {
  const address = ['-s', place.socket, '--state-dir', place.stateDir, '--log', place.log];
  const args = [oursPath, ...address, ...options, '--', place.app, 'serve'];
  const line = args.map((word) => `'${word}'`).join(' ');
  const command = terminal ? `script -qec "${line}" /dev/null` : `${line} 2>&1`;
  const files = ['passwd', 'group'].map((name) => `mount --bind ${place.dir}/${name} /etc/${name}`);
  const script = [...files, `umask ${umask}`, command].join(' && ');
  const result = await runCommand('unshare', ['--mount', '/bin/sh', '-c', script], { cwd: place.dir });
  const output = result.stdout.replaceAll('\r', '');
  await endPool(place, { pid: printedPids(output)[0] ?? 0 });
  return hintsOf(output).filter((hint) => !hint.startsWith('--state-dir'));
}

describe('a start on a terminal', () => {
  test.for([
    [
      ['-u', 'app'],
      '022',
      'cannot connect to SOCKET (mode 0640, app:app): -M 0660 -G nginx lets its group in, -M 0666 everybody',
    ],
    [
      ['-u', 'app'],
      '007',
      'cannot connect to SOCKET (mode 0660, app:app): -G nginx lets its group in, -M 0666 everybody',
    ],
    [
      [],
      '022',
      'cannot connect to SOCKET (mode 0640, root:root): -M 0660 -G nginx lets its group in, -M 0666 everybody',
    ],
    [
      ['-u', 'app', '-g', 'nginx'],
      '022',
      'cannot connect to SOCKET (mode 0640, app:nginx): -M 0660 lets its group in',
    ],
  ] as const)(
    'with %j and umask %s says what lets the web server in',
    async ([options, umask, hint], ctx) => {
      const place = prepare(ctx, ['app', 'nginx']);
      const told = `nginx, the web server's user here, ${hint.replace('SOCKET', place.socket)}`;
      expect(await start(place, options, { umask })).toEqual([told]);
    },
  );

  test('says that the group of -G needs its w bit', async (ctx) => {
    const place = prepare(ctx, ['app', 'nginx']);
    expect((await start(place, ['-u', 'app', '-G', 'nginx']))[0]).toMatch(
      /^the group of -G nginx cannot connect.*-M 0660$/,
    );
    expect(await start(place, ['-u', 'app', '-G', 'nginx'], { umask: '007' })).toEqual([]);
  });

  test('names the directory that the web server cannot enter', async (ctx) => {
    const place = prepare(ctx, ['app', 'nginx']);
    chmodSync(place.runDir, 0o700);
    expect((await start(place, []))[0]).toContain(`cannot enter ${place.runDir} (mode 0700, root:root)`);
  });

  test('names all of several web servers', async (ctx) => {
    const place = prepare(ctx, ['app', 'nginx', 'caddy']);
    expect((await start(place, ['-u', 'app']))[0]).toContain(
      "no web server's user here (nginx, caddy) can connect",
    );
  });

  test.for([
    ['as the web server', ['-u', 'nginx']],
    ['with a mode', ['-u', 'app', '-M', '0600']],
    ['with an owner for the socket', ['-u', 'app', '-U', 'nginx']],
  ] as const)('%s says nothing', async ([, options], ctx) => {
    const place = prepare(ctx, ['app', 'nginx', 'caddy']);
    expect(await start(place, options)).toEqual([]);
  });

  test('says nothing where there is no web server', async (ctx) => {
    expect(await start(prepare(ctx, ['app']), ['-u', 'app'])).toEqual([]);
  });

  test('says nothing of a directory with an access control list', async (ctx) => {
    const place = prepare(ctx, ['app', 'nginx']);
    needCommands(ctx, 'setfacl');
    const directory = join(place.runDir, 'listed');
    mkdirSync(directory, { mode: 0o700 });
    const { status } = await runCommand('setfacl', ['-m', `u:${users.nginx}:x`, directory]);
    ctx.skip(status !== 0, 'needs a file system with access control lists');
    expect(await start({ ...place, socket: join(directory, 'app.sock') }, ['-u', 'app'])).toEqual([]);
  });
});

test('a start that is not on a terminal says nothing of the web server', async (ctx) => {
  const place = prepare(ctx, ['app', 'nginx']);
  expect(await start(place, ['-u', 'app'], { terminal: false })).toEqual([]);
});

test.each([
  [0o640, users.app, [], true],
  [0o460, users.app, [users.nginx], false],
  [0o640, users.caddy, [users.nginx], false],
  [0o620, users.caddy, [users.nginx], true],
  [0o642, users.caddy, [users.nginx], false],
  [0o642, users.caddy, [users.caddy], true],
  [0, 0, [], true],
])('a socket of mode %o of app:nginx lets %i with the groups %j connect: %s', (mode, uid, gids, may) => {
  const socket = { uid: users.app, gid: users.nginx, mode };
  expect(permits(socket, { uid, gids }, permission.write)).toBe(may);
});
