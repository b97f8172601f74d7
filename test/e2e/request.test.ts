// `spawn-fcgictl request` against real FastCGI servers, beside `cgi-fcgi -bind -connect` of libfcgi: the same bytes.
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as fakes from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { startForeground, startPool } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';

const { askServer, askWithCgiFcgi } = fakes;
const { freePort, isRoot, makeTempDir, missing, waitFor } = machine;
const { applications, phpCgi } = sites;

type AskResult = fakes.AskResult;

interface Place {
  address: string;
  /** What names the script to the program. */
  script: string;
}

const asNobody = isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];
const needsCgiFcgi = missing({ commands: ['cgi-fcgi'] });

async function startApplication(application: sites.Application, transport: string): Promise<Place> {
  const dir = makeTempDir();
  const { program, script, env = {} } = application.install(dir);
  const port = await freePort();
  const socket = join(dir, 'app.sock');
  // PHP keeps what is posted in files.
  const temporary = join(dir, 'tmp');
  fs.mkdirSync(temporary);
  fs.chmodSync(temporary, 0o1777);
  const where = transport === 'TCP' ? ['-a', '127.0.0.1', '-p', String(port)] : ['-s', socket];
  const args = [...where, ...asNobody, '--state-dir', join(dir, 'state'), '--', program];
  await startPool(args, { env: { ...process.env, TMPDIR: temporary, ...env } });
  return { address: transport === 'TCP' ? `127.0.0.1:${port}` : socket, script };
}

/** Go writes the time. A difference is shown by the header and the length alone: what follows may be long. */
function comparable({ stdout, ...rest }: AskResult): object {
  const text = stdout.toString('latin1').replace(/^Date: .*\r\n/m, '');
  const hash = createHash('sha256').update(text).digest('hex');
  return { ...rest, beginning: text.slice(0, 300), length: text.length, hash };
}

async function expectParity(place: Place, args: readonly string[], body: Buffer): Promise<AskResult> {
  const ours = await askServer([place.address, ...args], { input: body });
  const theirs = await askWithCgiFcgi(place.address, args, body);
  expect(comparable(ours)).toEqual(comparable(theirs));
  return ours;
}

const cases = [
  ...applications.map((application) => ({ application, transport: 'a Unix socket' })),
  { application: phpCgi, transport: 'TCP' },
];

describe.for(cases)('$application.name over $transport', ({ application, transport }) => {
  beforeEach(({ skip }) => {
    const reason = application.missing ?? needsCgiFcgi;
    skip(reason !== undefined, reason);
  });

  test('answers as it answers cgi-fcgi, with and without a body', async () => {
    const place = await startApplication(application, transport);
    const script = ['--param', `SCRIPT_FILENAME=${place.script}`];
    const got = await expectParity(place, ['/echo?a=b&c', ...script], Buffer.alloc(0));
    expect(got).toMatchObject({ status: 0, stderr: '' });
    expect(got.stdout.toString()).toMatch(/\r?\n\r?\nGET a=b&c \d+ -\n$/);

    const data = [...script, '--data', '-', '--param', 'CONTENT_TYPE=application/octet-stream'];
    const body = randomBytes(30_000);
    const posted = await expectParity(place, ['/echo', ...data], body);
    expect(posted.status).toBe(0);
    expect(posted.stdout.subarray(-body.length).equals(body)).toBe(true);

    // More than a record; of ours alone, since cgi-fcgi fails when the application closes before it has sent all.
    const large = randomBytes(100_000);
    const echoed = await askServer([place.address, '/echo', ...data], { input: large });
    expect(echoed).toMatchObject({ status: 0, stderr: '' });
    expect(echoed.stdout.subarray(-large.length).equals(large)).toBe(true);
  });
});

const phpFpm = ['php-fpm', 'php-fpm8.4', 'php-fpm8.3', 'php-fpm8.2'].find(
  (name) => missing({ commands: [name] }) === undefined,
);

describe('php-fpm', () => {
  beforeEach(({ skip }) => {
    const reason = needsCgiFcgi ?? (phpFpm === undefined ? 'needs php-fpm' : undefined);
    skip(reason !== undefined, reason);
  });

  async function startFpm(): Promise<Place> {
    const dir = makeTempDir();
    const [config, address, script] = ['fpm.conf', 'fpm.sock', 'page.php'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    const identity = isRoot ? 'user = nobody\ngroup = nogroup\n' : '';
    fs.writeFileSync(
      config,
      `[global]\nerror_log = ${join(dir, 'log')}\n[www]\n${identity}listen = ${address}\npm = static\n` +
        'pm.max_children = 1\npm.status_path = /status\nphp_admin_value[memory_limit] = 8M\nphp_flag[display_errors] = off\n',
    );
    fs.writeFileSync(
      script,
      `<?php
header('X-Self: ' . $_SERVER['PHP_SELF']);
if (isset($_GET['log'])) error_log('a complaint');
if (isset($_GET['memory'])) str_repeat('x', 1 << 30);
echo $_SERVER['REQUEST_METHOD'], "\\0", $_GET['a'] ?? '', file_get_contents('php://input');
`,
    );
    const fpm = startForeground(['-F', '-n', '-y', config], { command: phpFpm ?? 'php-fpm' });
    await waitFor('php-fpm', () => fs.existsSync(address) || fpm.stderr().includes('ERROR'));
    return { address, script };
  }

  test('answers as it answers cgi-fcgi: pages, complaints, errors and its status page', async () => {
    const place = await startFpm();
    const root = ['--root', join(place.script, '..')];
    const page = await expectParity(place, ['/page.php?a=b&log', ...root], Buffer.alloc(0));
    expect(page.status).toBe(0);
    expect(page.stdout.toString()).toContain('X-Self: /page.php\r\n');
    expect(page.stdout.toString()).toMatch(/\r\n\r\nGET\0b$/);
    expect(page.stderr).toContain('a complaint');

    const body = randomBytes(3_000_000);
    const posted = await expectParity(
      place,
      ['/page.php', ...root, '--data', '-', '--param', 'CONTENT_TYPE=x/y'],
      body,
    );
    expect(posted.stdout.subarray(-body.length).equals(body)).toBe(true);

    const none = await expectParity(place, ['/none.php', ...root], Buffer.alloc(0));
    expect(none.stdout.toString()).toMatch(/^Status: 404 Not Found\r\n/);
    expect(none.stderr).toContain('Primary script unknown');

    const status = await askServer([place.address, '/status?json']);
    expect(status.status).toBe(0);
    expect(status.stdout.toString()).toContain('"pool":"www"');
  });

  test('whose page ends by a fatal error is 1', async () => {
    const place = await startFpm();
    const result = await askServer([place.address, '/page.php?memory', '--root', join(place.script, '..')]);
    expect(result).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        `spawn-fcgictl: ${place.address}: 500 Internal Server Error\n`,
      ) as string,
    });
  });
});

describe('a program of libfcgi', () => {
  beforeEach(({ skip }) => {
    const reason =
      missing({ commands: ['gcc'] }) ??
      (fs.existsSync('/usr/include/fcgi_stdio.h') ? undefined : 'needs libfcgi') ??
      needsCgiFcgi;
    skip(reason !== undefined, reason);
  });

  test('has its exit status: 2 here, the status itself in cgi-fcgi', async () => {
    const dir = makeTempDir();
    const program = join(dir, 'authorizer');
    fs.copyFileSync(compileC(fixture('libfcgi-authorizer.c'), { libs: ['fcgi'] }), program);
    fs.chmodSync(program, 0o755);
    const address = join(dir, 'app.sock');
    await startPool(['-s', address, ...asNobody, '--state-dir', join(dir, 'state'), '--', program]);
    const ours = await askServer([address, '/?status=7']);
    const theirs = await askWithCgiFcgi(address, ['/?status=7'], Buffer.alloc(0));
    expect(ours.stdout).toEqual(theirs.stdout);
    expect([ours.status, theirs.status]).toEqual([2, 7]);
    expect(ours.stderr).toContain('the application ended the request with its status 7');

    expect(await askServer([address, '/?token=good', '--authorizer'])).toMatchObject({
      status: 0,
      stdout: Buffer.from('Status: 200 OK\r\nVariable-ROLE: AUTHORIZER\r\n\r\n'),
    });
    expect(await askServer([address, '/?token=bad', '--authorizer'])).toMatchObject({ status: 1 });
  });
});
