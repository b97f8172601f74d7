// A pool in a real container (crun, with Docker's default capabilities and seccomp rules), its client in another network
// namespace: as PID 1 and behind one, and what `docker stop`, `kill` and `exec` do to it.
import { expect, test } from 'vitest';
import * as containers from '../helpers/container/index.ts';
import { waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const options = ['-M', '666', '-F', '2', '-u', 'www-data'];
const poolLine = ({ socket, stateDir, app }: pools.Place): string[] => {
  const address = ['-s', socket, '--state-dir', stateDir];
  return [...address, ...options, '--', app];
};
const staying = (place: pools.Place): string[] => ['spawn-fcgi', '-n', '--supervise', ...poolLine(place)];
const leaving = (place: pools.Place): string => ['spawn-fcgi', ...poolLine(place)].join(' ');
const shell = (script: string): string[] => ['/bin/sh', '-c', script];

interface Form {
  name: string;
  args: (place: pools.Place) => string[];
  /** How `docker stop` ends it; 137 is KILL after the patience. */
  status: number;
  /** What becomes of a request that a worker is in the middle of. */
  request: 'answered' | 'cut';
  /** STOPSIGNAL. */
  signal?: string;
  isBehindNginx?: boolean;
  tools?: containers.Tools;
}

const forms: Form[] = [
  { name: 'itself', args: staying, status: 0, request: 'answered' },
  { name: 'itself, QUIT', args: staying, status: 0, request: 'answered', signal: 'QUIT' },
  { name: 'itself, INT', args: staying, status: 0, request: 'answered', signal: 'INT' },
  {
    name: 'a shell that becomes it',
    args: (place) => shell(`exec ${staying(place).join(' ')}`),
    status: 0,
    request: 'answered',
  },
  {
    name: 'tini (docker run --init)',
    args: (place) => ['tini', '--', ...staying(place)],
    status: 0,
    request: 'answered',
  },
  {
    name: 'a shell that stays, which has no TERM of its own',
    args: (place) => shell(`${staying(place).join(' ')}; echo over`),
    status: 137,
    request: 'cut',
  },
  {
    name: 'dash without exec, as a CMD without brackets is',
    args: (place) => shell(staying(place).join(' ')),
    status: 137,
    request: 'cut',
  },
  {
    name: "BusyBox's ash without exec, which becomes it",
    args: (place) => shell(staying(place).join(' ')),
    status: 0,
    request: 'answered',
    tools: 'busybox',
  },
  {
    name: 'sleep behind &&, which reaps nobody and heeds no TERM',
    args: (place) => shell(`${leaving(place)} && exec sleep 1000`),
    status: 137,
    request: 'cut',
  },
  {
    name: 'nginx behind &&, TERM',
    args: (place) => shell(`${leaving(place)} && exec ${containers.nginxLine(place)}`),
    status: 0,
    request: 'cut',
    isBehindNginx: true,
  },
  {
    name: 'nginx behind &&, QUIT',
    args: (place) => shell(`${leaving(place)} && exec ${containers.nginxLine(place)}`),
    status: 0,
    request: 'answered',
    signal: 'QUIT',
    isBehindNginx: true,
  },
];

test.for(forms)(
  'PID 1 is $name: workers are replaced, no zombie stays, docker stop ends with $status, a request is $request',
  async ({ args, status, request, signal = 'TERM', isBehindNginx, tools = 'debian' }, ctx) => {
    containers.needContainers(ctx, 'busybox', 'dash', 'nginx', 'tini');
    const place = containers.makeEchoRoom();
    const pool = await containers.startPoolContainer(place, { tools, args: args(place) }, isBehindNginx);
    const { container } = pool;
    await containers.replaceWorker(container);
    const held = await pool.hold();
    // Nobody but who does not heed the signal needs to be waited for.
    const patience = status === 137 ? { patienceMs: 1_000 } : {};
    const stopped = containers.stopContainer(container, { signal, ...patience });
    await waitFor(
      'the stop',
      () => container.stderr().includes('stopping') || isBehindNginx || status === 137,
    );
    if (request === 'answered') held.release();
    expect(await stopped).toMatchObject({ status, isKilled: status === 137 });
    const answer = await held.answer;
    if (request === 'cut') held.release();
    expect(answer.startsWith('GET hold='), answer).toBe(request === 'answered');
  },
);

test('a request that hangs is ended although no descriptor may be borrowed there', async (ctx) => {
  containers.needContainers(ctx);
  const place = containers.makeEchoRoom();
  const [command = '', ...rest] = staying(place);
  const args = [command, '--request-timeout', '2s', ...rest];
  const pool = await containers.startPoolContainer(place, { args });
  const { container } = pool;
  const held = await pool.hold();
  await waitFor('its end', () => container.stderr().includes('since its request was stuck; restarted'));
  expect((await held.answer).startsWith('GET hold='), container.stderr()).toBe(false);
  held.release();
  expect(container.stderr().match(/is stuck, at least/g)?.length).toBe(1);
  expect(await pool.ask('x=1')).toMatch(/^GET x=1 /);
});

test('what strangers leave is reaped', async (ctx) => {
  containers.needContainers(ctx);
  const place = containers.makeEchoRoom();
  const { container } = await containers.startPoolContainer(place, { args: staying(place) });
  const left = await container.exec(shell('sleep 0.05 & exit 3'));
  expect(left.status).toBe(3);
  await waitFor('nobody but the pool', () => container.processes().every(({ comm }) => comm === 'app'));
});

test.for(['debian', 'busybox'] as const)(
  'with the tools of %s: docker exec asks and reloads it, docker kill --signal HUP reloads it, no request is lost',
  async (tools, ctx) => {
    containers.needContainers(ctx, 'busybox');
    const place = containers.makeEchoRoom();
    const pool = await containers.startPoolContainer(place, { tools, args: staying(place) });
    const { container } = pool;
    const ctl = (...args: string[]) =>
      container.exec(['spawn-fcgictl', '--state-dir', place.stateDir, ...args]);
    expect((await ctl('ping', place.socket)).stdout).toMatch(/^serving: app on .*, PID 1, /);
    expect((await ctl('status')).stdout).toContain('2 idle 0 busy');
    const held = await pool.hold();
    const reload = ctl('reload', place.socket);
    await waitFor('the reload', () => container.stderr().includes('reload started'));
    await waitFor('a new worker', () => / is PID \d+ now, generation 2/.test(container.stderr()));
    held.release();
    expect(await held.answer).toMatch(/^GET hold=/);
    expect(await reload).toMatchObject({ status: 0, stdout: 'reloaded: generation 2, 2 workers\n' });
    await container.kill('HUP');
    await waitFor('generation 3', () => container.stderr().includes('reload finished (generation 3)'));
    expect(await pool.ask('x=1')).toMatch(/^GET x=1 /);
    expect(await containers.stopContainer(container)).toMatchObject({ status: 0, isKilled: false });
  },
);

test.for([
  [['exit=3'], 3, 'spawn-fcgi: child exited with: 3'],
  [['raise=9'], 1, 'spawn-fcgi: child signaled: 9'],
] as const)('a program that ends at once by %j ends the container with %i', async (row, ctx) => {
  containers.needContainers(ctx);
  const [actions, status, message] = row;
  const place = pools.makePlace();
  const container = await containers.startContainer({
    args: ['spawn-fcgi', '-n', '--supervise', '-p', '9000', '--', place.app, ...actions],
    volumes: { [place.dir]: place.dir },
  });
  expect(await container.ended).toMatchObject({ status });
  expect(container.stderr()).toContain(`${message}\n`);
});

test('a program that is not in the image ends it with 2 and says so, in the background with the same', async (ctx) => {
  containers.needContainers(ctx);
  for (const args of [
    ['spawn-fcgi', '-n', '--supervise', '-p', '9000', '--', '/srv/absent'],
    shell('spawn-fcgi -p 9000 -- /srv/absent && exec sleep 1000'),
  ]) {
    const container = await containers.startContainer({ args });
    expect(await container.ended).toMatchObject({ status: 2 });
    expect(container.stderr()).toContain("spawn-fcgi: hint: there is no '/srv/absent'\n");
  }
});
