// What containers take away: capabilities, root, a root file system that can be written to, /proc.
import { readFileSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as containers from '../helpers/container/index.ts';
import { waitFor, type Stat } from '../helpers/machine/index.ts';
import { hintsOf, withoutHints } from '../helpers/pool/index.ts';

const tcp = ['-p', '9000'];
const unix = ['-s', '/run/app.sock'];
const webUser = ['-u', 'www-data'];
const somebody = { uid: 1000, gid: 1000 };

interface Attempt {
  container: containers.Container;
  /** Its supervisor's words, when it is up or has ended. */
  stderr: string;
  status: number | null | undefined;
}

/** A pool of two workers as PID 1. */
async function attempt(
  ctx: TestContext,
  settings: Omit<containers.ContainerOptions, 'args'>,
  options: readonly string[],
): Promise<Attempt> {
  containers.needContainers(ctx, 'busybox');
  const args = ['spawn-fcgi', '-n', '--supervise', '-F', '2', ...options, '--', '/srv/app'];
  const files = { '/srv/app': compileC(fixture('plain-echo.c'), { static: true }) };
  const container = await containers.startContainer({ args, files, ...settings });
  let status: number | null | undefined;
  void container.ended.then((ended) => (status = ended.status));
  await waitFor('the start', () => status !== undefined || container.stderr().includes('pool up on'));
  return { container, stderr: container.stderr(), status };
}

/** Resolves when supervisor and workers are that user's, and who has guarded the start as root has gone. */
async function expectUsers({ processes }: containers.Container, uid: string): Promise<void> {
  const uidOf = ({ pid }: Stat): string =>
    /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  await waitFor('three processes', () => processes().length === 3);
  expect(processes().map(uidOf)).toEqual([uid, uid, uid]);
}

const expectStop = async (container: containers.Container): Promise<void> =>
  expect(await containers.stopContainer(container)).toMatchObject({ status: 0, isKilled: false });

const ping = async ({ exec }: containers.Container, target: string): Promise<string> =>
  (await exec(['spawn-fcgictl', 'ping', target])).stdout;

test('--cap-drop ALL --cap-add SETUID --cap-add SETGID is enough for -u on TCP', async (ctx) => {
  const { container } = await attempt(ctx, { capabilities: ['SETUID', 'SETGID'] }, [...tcp, ...webUser]);
  await expectUsers(container, '33');
  expect(await ping(container, ':9000')).toMatch(/^serving: /);
  await expectStop(container);
});

test('a Unix socket takes CHOWN as well, and the refusal says so', async (ctx) => {
  const line = [...unix, ...webUser];
  const refused = await attempt(ctx, { capabilities: ['SETUID', 'SETGID'], tmpfs: ['/run'] }, line);
  expect(refused.status).toBe(255);
  expect(withoutHints(refused.stderr)).toBe("spawn-fcgi: couldn't chown socket: Operation not permitted");
  expect(hintsOf(refused.stderr)[0]).toContain('CAP_CHOWN (docker run --cap-add CHOWN)');
  const capabilities = ['CHOWN', 'SETUID', 'SETGID'];
  const { container } = await attempt(ctx, { capabilities, tmpfs: ['/run'] }, line);
  await expectUsers(container, '33');
  await expectStop(container);
});

test('--cap-drop ALL with -u is refused in one line and a hint; without -u it serves', async (ctx) => {
  const settings = { capabilities: [], tmpfs: ['/run'] };
  const refused = await attempt(ctx, settings, [...unix, ...webUser]);
  expect(refused.status).toBe(255);
  expect(withoutHints(refused.stderr)).toBe('spawn-fcgi: setgid(33) failed: Operation not permitted');
  expect(hintsOf(refused.stderr)[0]).toContain('CAP_SETUID and CAP_SETGID (docker run --cap-add SETUID');
  const { container } = await attempt(ctx, settings, unix);
  expect(await ping(container, '/run/app.sock')).toMatch(/^serving: /);
  await expectStop(container);
});

test('--user 1000, whom /etc/passwd does not know: a pool without -u, and a hint with it', async (ctx) => {
  const settings = { user: somebody, tmpfs: ['/run'], capabilities: [] };
  for (const line of [unix, [...unix, ...webUser]]) {
    const { container, stderr } = await attempt(ctx, settings, line);
    expect(stderr.includes('hint: -u ignored: only root can use it\n')).toBe(line !== unix);
    await expectUsers(container, '1000');
    expect(await ping(container, '/run/app.sock')).toMatch(/^serving: /);
    await expectStop(container);
  }
});

test('--user 1000 in a /run of root: the refusal names the directory', async (ctx) => {
  const { stderr, status } = await attempt(ctx, { user: somebody }, unix);
  expect(status).toBe(255);
  expect(withoutHints(stderr)).toBe('spawn-fcgi: bind failed: Permission denied');
  expect(hintsOf(stderr)).toEqual(['this user may not create files in the directory of /run/app.sock']);
});

test.for([
  ['root', undefined, '/run', '/run/spawn-fcgi'],
  ['uid 1000', somebody, '/tmp', '/tmp/spawn-fcgi-1000'],
] as const)(
  '--read-only as %s: it serves without control and says so; a tmpfs gives that back',
  async ([, user, directory, base], ctx) => {
    const settings = { isReadOnly: true, ...(user ? { user } : {}) };
    const line = [...tcp, ...(user ? [] : webUser)];
    const without = await attempt(ctx, settings, line);
    expect(hintsOf(without.stderr)[0]).toBe(
      `no lock and no state file for this pool: ${base}: Read-only file system; --state-dir names another directory`,
    );
    expect(await without.container.exec(['spawn-fcgictl', 'ping', ':9000'])).toMatchObject({ status: 4 });
    await containers.replaceWorker(without.container);
    await expectStop(without.container);
    const { container, stderr } = await attempt(ctx, { ...settings, tmpfs: [directory] }, line);
    expect(hintsOf(stderr)).toEqual([]);
    expect(await ping(container, ':9000')).toMatch(/^serving: /);
    await expectStop(container);
  },
);

test.for(['debian', 'busybox'] as const)(
  'without /proc, with the tools of %s: workers are replaced, and a stop ends at --stop-timeout',
  async (tools, ctx) => {
    const line = [...tcp, ...webUser, '--stop-timeout', '300ms'];
    const { container } = await attempt(ctx, { isWithoutProc: true, tools }, line);
    await containers.replaceWorker(container);
    await expectStop(container);
    expect(container.stderr()).toContain(
      'its connections cannot be seen, so it is ended at --stop-timeout\n',
    );
  },
);
