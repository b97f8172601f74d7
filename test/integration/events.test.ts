// spawn-fcgictl events: every event as it happens, through a takeover and to the end, printed or given to a command.
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atEnd, runCommand, type RunResult, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];

interface Follower {
  readonly ended: Promise<RunResult>;
  /** Those that the test has not caused itself. */
  readonly lines: () => string[];
  readonly all: () => string[];
}

/** Follows from now on: a signal that does nothing is an event until it is heard of. */
async function follow(place: pools.Place, pid: number, ...options: string[]): Promise<Follower> {
  const file = join(place.dir, `events${options.join('')}`.replaceAll(/\W/g, ''));
  writeFileSync(file, '');
  const script = `exec "$@" >'${file}'`;
  const command = [pools.ctlPath, '--state-dir', place.stateDir, 'events', ...options, String(pid)];
  const ended = runCommand('sh', ['-c', script, 'sh', ...command]);
  const lines = (): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
  await causeUntil(pid, () => lines().length > 0);
  return { ended, all: lines, lines: () => lines().filter((line) => !line.includes('SIGUSR2')) };
}

/** Causes an event now and then (a signal that does nothing) until one was heard of. */
async function causeUntil(pid: number, isHeard: () => boolean): Promise<void> {
  for (let tries = 1; !isHeard(); tries++) {
    process.kill(pid, 'SIGUSR2');
    await waitFor('an event', isHeard, { timeoutMs: 500 }).catch((error: unknown) => {
      if (tries === 60) throw error;
    });
  }
}

test('each event is told as the log has it, also of the supervisor that takes the pool over, until the last one has stopped', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick);
  const [asText, asJson] = [await follow(place, pool.pid), await follow(place, pool.pid, '--json')];
  expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
  const next = await pools.start(place, [...quick, '--replace']);
  await waitFor('the first supervisor’s end', () =>
    asJson.lines().some((line) => line.includes('"stopped"')),
  );
  const heard = (): boolean => asJson.all().some((line) => line.includes(`"pid":${next.pid},`));
  await causeUntil(next.pid, heard);
  await pools.endPool(place, next);
  expect([await asText.ended, await asJson.ended]).toMatchObject([
    { status: 0, stderr: '' },
    { status: 0, stderr: '' },
  ]);
  const logged = pools.events(place).filter(({ signal }) => signal !== 'SIGUSR2');
  const told = asJson.lines().map((line) => JSON.parse(line) as pools.LoggedEvent);
  const timeless = ({ time: _time, ...facts }: pools.LoggedEvent): object => facts;
  // What the second one said before it could be asked is in the log alone.
  expect(logged.map(timeless)).toEqual(expect.arrayContaining(told.map(timeless)));
  const first = (events: readonly pools.LoggedEvent[]): string[] =>
    events.filter(({ pid, event }) => pid === pool.pid && event !== 'pool-up').map(({ event }) => event);
  expect(first(told)).toEqual(first(logged));
  expect(told.filter(({ pid }) => pid === next.pid).slice(-2)).toMatchObject([
    { event: 'stopping' },
    { event: 'stopped' },
  ]);
  // The two come to the second supervisor one after the other: of its first words one may have heard more.
  expect(asText.lines().length).toBeGreaterThanOrEqual(told.filter(({ pid }) => pid === pool.pid).length + 2);
  const [asked, started] = asText.lines();
  expect(asked).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z app\S*: reload asked for by uid \d+ \(PID \d+\)$/);
  expect(started).toMatch(/Z app\S*: reload started: generation 2$/);
});

test('a command is run for each one in their order, with its JSON on stdin and the rest in variables; one that fails is told of', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick);
  const command =
    'read -r line; echo "$SPAWN_FCGI_EVENT $SPAWN_FCGI_PID $line"; test "$SPAWN_FCGI_EVENT" != scaled';
  const follower = await follow(place, pool.pid, '--exec', command);
  await pools.ctl(place.stateDir, ['scale', place.socket, '2']);
  await pools.endPool(place, pool);
  const { status, stderr } = await follower.ended;
  const told = follower.lines().map((line) => {
    const [event, pid, ...json] = line.split(' ');
    return { event, pid, facts: JSON.parse(json.join(' ')) as pools.LoggedEvent };
  });
  const names = pools.events(place).map(({ event }) => event);
  const followed = names.slice(names.indexOf('change-asked'));
  expect(told).toMatchObject(followed.map((event) => ({ event, pid: String(pool.pid), facts: { event } })));
  expect({ status, stderr }).toMatchObject({
    status: 0,
    stderr: `spawn-fcgictl: '${command}' exited with 1 at the event scaled\n`,
  });
});

test('who follows a supervisor that is killed hears of it, by a status and a line', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick);
  const follower = await follow(place, pool.pid);
  await pools.killSupervisor(pool);
  const { status, stderr } = await follower.ended;
  expect({ status, stderr }).toMatchObject({
    status: 6,
    stderr: expect.stringContaining('the connection was closed'),
  });
  const again = await pools.ctl(place.stateDir, ['events', place.socket]);
  expect(again).toMatchObject({ status: 4, stderr: expect.stringContaining('no supervisor to tell of it') });
  await pools.ctl(place.stateDir, ['stop', place.socket]);
  await pools.expectNothingLeft(place);
});

test('who reads no more ends the following, and nothing else', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, quick);
  const script = `"$@" | head -n 1`;
  const command = [pools.ctlPath, '--state-dir', place.stateDir, 'events', place.socket];
  let isOver = false;
  const ended = runCommand('sh', ['-c', script, 'sh', ...command]).finally(() => (isOver = true));
  await causeUntil(pool.pid, () => isOver);
  expect(await ended).toMatchObject({
    status: 0,
    stderr: '',
    stdout: expect.stringContaining('SIGUSR2 ignored'),
  });
  await pools.endPool(place, pool);
});

test('a supervisor that says again and again that it hands over, to itself, is followed once, and forges no line', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const control = pools.poolFile(place, '.ctl');
  renameSync(control, `${control}.old`);
  let asked = 0;
  const server = createServer((socket) => {
    asked++;
    const event = { event: 'handed-over\nspawn-fcgictl: forged' };
    const lines = [
      { v: 1, event, text: 'said' },
      ...[1, 2, 3].map(() => ({ v: 1, event: { event: 'handed-over', to: pool.pid }, text: 'again' })),
      { v: 1, ok: true, status: 0, message: 'stopped' },
    ];
    // Should it be followed again and again, this ends it.
    const told = asked > 9 ? lines.slice(-1) : lines;
    socket.on('error', () => undefined);
    socket.end(told.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });
  server.listen(control);
  await once(server, 'listening');
  atEnd(() => void server.close());
  const result = await pools.ctl(place.stateDir, ['events', String(pool.pid), '--exec', 'exit 3']);
  expect(asked).toBe(1);
  expect(result).toMatchObject({ status: 0, stdout: '' });
  expect(result.stderr.match(/^spawn-fcgictl: forged/gm)).toBeNull();
  expect(result.stderr.split('\n')[0]).toBe(
    String.raw`spawn-fcgictl: 'exit 3' exited with 3 at the event handed-over\x0aspawn-fcgictl: forged`,
  );
  renameSync(`${control}.old`, control);
  await pools.endPool(place, pool);
});
