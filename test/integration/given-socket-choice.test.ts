// Which of the sockets that others have opened is taken, and what is refused: one line that names it, and the way out.
import { readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { freePort, needRoot } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** In the foreground: the program would stay. */
async function refusalOf(
  place: pools.Place,
  settings: readonly string[],
  options: readonly string[] = [],
): Promise<{ line: string; hints: readonly string[] }> {
  const { status, stderr } = await pools.runGiven(place, settings, ['-n', '--supervise', ...options]);
  expect(status).toBe(255);
  await pools.expectNoProcess(place);
  return { line: pools.withoutHints(stderr), hints: pools.hintsOf(stderr) };
}

describe('of several sockets', () => {
  test('none is taken that is not chosen, and the refusal lists them', async () => {
    const place = pools.makePlace();
    const [one, other] = [join(place.runDir, 'a.sock'), join(place.runDir, 'b.sock')];
    const { line, hints } = await refusalOf(place, [`unix=${one}`, `unix=${other}`, 'names=web:admin']);
    expect(line).toBe(
      `spawn-fcgi: LISTEN_FDS has 2 sockets, and nothing says which to use: web (descriptor 3, ${one}), admin (descriptor 4, ${other})`,
    );
    expect(hints).toEqual(['choose one: --listen-fd web, or --listen-fd admin']);
  });

  test.each(['admin', '4'])('--listen-fd %s takes one, and the other is closed', async (choice) => {
    const place = pools.makePlace();
    const settings = [`unix=${join(place.runDir, 'a.sock')}`, `unix=${place.socket}`, 'names=web:admin'];
    const pool = await pools.startGiven(place, settings, ['--listen-fd', choice]);
    expect(pools.hintsOf(pool.stderr())).toEqual([
      `not used, and closed: web (descriptor 3, ${join(place.runDir, 'a.sock')})`,
    ]);
    expect(await pools.statusOf(place)).toMatchObject({ given: "'admin' (descriptor 4)" });
    await expect(pools.visit({ path: join(place.runDir, 'a.sock') })).rejects.toThrow('ECONNREFUSED');
    await pools.endPool(place, pool);
  });
});

test('a file that comes with the socket is closed, and told of', async () => {
  const place = pools.makePlace();
  const settings = ['file=/etc/passwd', `unix=${place.socket}`, 'names=passwd:web'];
  const pool = await pools.startGiven(place, settings);
  expect(pools.hintsOf(pool.stderr())).toEqual(['not used, and closed: passwd (descriptor 3, is no socket)']);
  const open = readdirSync(`/proc/${pool.pid}/fd`).map((name) =>
    readlinkSync(`/proc/${pool.pid}/fd/${name}`),
  );
  expect(open).not.toContain('/etc/passwd');
  await pools.endPool(place, pool);
});

describe('is refused', () => {
  test.each([
    [
      'by a name that there is not',
      ['names=web'],
      ['--listen-fd', 'admin'],
      "--listen-fd 'admin': no socket of this name was given",
      'there are: web (descriptor 3, ',
    ],
    [
      'by a name without LISTEN_FDS',
      ['plain='],
      ['--listen-fd', 'web'],
      "--listen-fd 'web': no socket of this name was given",
      'LISTEN_FDNAMES',
    ],
    [
      'by a number that is not open',
      [],
      ['--listen-fd', '999'],
      'the socket that was given, descriptor 999, is not open',
      '',
    ],
    [
      'beside -s',
      [],
      ['-s', 'x'],
      '-s and a socket that was given (LISTEN_FDS) exclude each other',
      'leave out -s',
    ],
    [
      'beside -a and -p',
      [],
      ['-a', '::1', '-p', '9'],
      '-a, -p and a socket that was given (LISTEN_FDS) exclude each other',
      'leave out -a, -p',
    ],
    [
      'beside -M, -U, -G',
      [],
      ['-M', '0660', '-U', 'root', '-G', 'root'],
      '-M, -U, -G and a socket that was given (LISTEN_FDS) exclude each other',
      'leave out -M, -U, -G',
    ],
    [
      'beside -s, where --listen-fd asks for it',
      ['plain='],
      ['--listen-fd', '3', '-s', 'x'],
      '-s and --listen-fd exclude each other',
      'leave out -s, or --listen-fd',
    ],
    [
      'of LISTEN_FDS for more than there are',
      ['count=9999'],
      [],
      "LISTEN_FDS='9999' says so many sockets, but descriptor 4 is none",
      'unset LISTEN_FDS',
    ],
    [
      'of LISTEN_FDS that is no number',
      ['count=-1'],
      [],
      "LISTEN_FDS='-1' is no number of descriptors",
      'unset LISTEN_FDS',
    ],
    [
      'of LISTEN_FDS for another process',
      ['pid=1'],
      [],
      'no socket given (use either -p or -s)',
      'LISTEN_FDS is for PID 1 (LISTEN_PID), and this is PID ',
    ],
  ] as const)('a socket %s', async (_, settings, options, line, hint) => {
    const place = pools.makePlace();
    const found = await refusalOf(place, [`unix=${place.socket}`, ...settings], options);
    expect(found.line).toContain(`spawn-fcgi: ${line}`);
    expect(found.hints.join('\n')).toContain(hint);
  });

  const kinds: readonly [what: string, kind: string, line: string, hint: string][] = [
    ['a datagram socket', 'datagram=SOCKET', 'is a datagram socket', 'ListenStream='],
    ['a socket that does not listen', 'silent=PORT', 'does not listen', 'listen(2)'],
    ['an accepted connection', 'connection=PORT', 'is a connection that was accepted already', 'Accept=no'],
  ];
  test.each(kinds)('what is %s', async (_, kind, line, hint) => {
    const place = pools.makePlace();
    const setting = kind.replace('SOCKET', place.socket).replace('PORT', String(await freePort()));
    const found = await refusalOf(place, [setting]);
    expect(found.line).toContain(`spawn-fcgi: the socket that was given, descriptor 3, ${line}`);
    expect(found.hints.join('\n')).toContain(hint);
  });

  test('what is a file, by its number', async () => {
    const place = pools.makePlace();
    const { line } = await refusalOf(place, ['file=/etc/passwd', 'plain='], ['--listen-fd', '3']);
    expect(line).toBe('spawn-fcgi: the socket that was given, descriptor 3, is no socket');
  });

  test('also in the background, in the same words', async () => {
    const place = pools.makePlace();
    const { status, stderr } = await pools.runGiven(place, [`datagram=${place.socket}`]);
    expect(status).toBe(255);
    expect(pools.withoutHints(stderr)).toContain('descriptor 3, is a datagram socket');
    rmSync(place.socket);
    await pools.expectNothingLeft(place);
  });
});

describe('is called by its address', () => {
  const addresses: readonly [what: string, setting: string, address: string][] = [
    ['on both families', 'tcp6=PORT', '[::]:PORT'],
    ['on IPv4', 'tcp=PORT', '127.0.0.1:PORT'],
    ['without a file', 'abstract=app/PORT %', '@app/PORT %'],
  ];
  test.each(addresses)('a socket %s', async (_, setting, address) => {
    const place = pools.makePlace();
    const port = String(await freePort());
    const pool = await pools.startGiven(place, [setting.replace('PORT', port)]);
    const name = address.replace('PORT', port);
    expect(await pools.statusOf({ ...place, name })).toMatchObject({ address: name, unreachable: null });
    expect(await pools.ctl(place.stateDir, ['restart', name])).toMatchObject({ status: 0 });
    expect(await pools.ctl(place.stateDir, ['stop', name])).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
    expect((await pool.ended).status).toBe(0);
  });

  test('one of another network namespace serves, and nobody says that it cannot be reached', async (ctx: TestContext) => {
    needRoot(ctx);
    const place = pools.makePlace();
    const port = await freePort();
    const pool = await pools.startGiven(place, [`netns=${port}`]);
    const name = `127.0.0.1:${port}`;
    expect(await pools.statusOf({ ...place, name })).toMatchObject({ unreachable: null, serving: 'yes' });
    expect(await pools.ctl(place.stateDir, ['restart', name])).toMatchObject({ status: 0 });
    await pools.endPool(place, pool);
  });
});
