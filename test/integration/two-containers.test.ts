// Two containers that share a state directory: each has a supervisor that is PID 1, and neither can see the other's
// processes. A start says so at once instead of taking one PID 1 for the other or waiting for it.
import { describe, expect, test } from 'vitest';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { oursPath, startForeground, type ForegroundPool } from '../helpers/pool/command-under-test.ts';
import { freePort } from '../helpers/machine/free-port.ts';
import { readStat } from '../helpers/machine/processes.ts';
import { needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand, type RunResult } from '../helpers/machine/run-command.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { isLocked, readPoolState } from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  expectNoProcess,
  hintsOf,
  makePlace,
  run,
  start,
  visit,
  waitForEvents,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';

const container = ['--pid', '--fork', '--kill-child', '--mount-proc', '--'];
/** Whoever waits for a stop would wait as long. */
const patient = ['--stop-timeout', '1h'];
const elsewhere = (doing: string, { stateDir }: Place): RegExp =>
  new RegExp(
    `^pool 'app' on .* ${doing} in another container \\(its supervisor is PID \\d+ there\\) that shares ${stateDir}, .*: stop it there, or give each container a --state-dir of its own$`,
  );

interface Address {
  options: string[];
  target: { path: string } | { host: string; port: number };
  inUse: string;
}

async function addressOf({ socket }: Place, transport: string): Promise<Address> {
  if (transport !== 'TCP') {
    return {
      options: ['-s', socket],
      target: { path: socket },
      inUse: "spawn-fcgi: socket is already in use, can't spawn",
    };
  }
  const port = await freePort();
  return {
    options: ['-a', '127.0.0.1', '-p', String(port)],
    target: { host: '127.0.0.1', port },
    inUse: 'spawn-fcgi: bind failed: Address already in use',
  };
}

async function startContainer(place: Place, address: readonly string[]): Promise<ForegroundPool> {
  const args = commandLine(place, ['-n', '--supervise'], ['serve'], { address });
  const started = startForeground([...container, oursPath, ...args], { command: 'unshare', cwd: place.dir });
  await waitForEvents(place, 'pool-up');
  return started;
}

function runInContainer(
  place: Place,
  options: readonly string[],
  address: readonly string[],
): Promise<RunResult> {
  const args = commandLine(place, ['-n', '--supervise', ...patient, ...options], ['serve'], { address });
  return runCommand('unshare', [...container, oursPath, ...args], { cwd: place.dir });
}

describe.for(['TCP', 'a Unix socket'])('on %s', (transport) => {
  test('a start beside a pool of another container is refused with the reason, with --replace too', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'unshare');
    const place = makePlace();
    const { options, target, inUse } = await addressOf(place, transport);
    const first = await startContainer(place, options);
    expect(readPoolState(place)?.pid).toBe(1);
    const plain = await runInContainer(place, [], options);
    expect(plain.status).toBe(255);
    expect(withoutHints(plain.stderr)).toBe(inUse);
    expect(hintsOf(plain.stderr)).toContainEqual(expect.stringMatching(elsewhere('runs', place)));
    const replacing = await runInContainer(place, ['--replace'], options);
    expect(replacing.status).toBe(255);
    expect(withoutHints(replacing.stderr)).toMatch(
      /^spawn-fcgi: cannot take over the pool on .*: it runs in another container$/,
    );
    expect(hintsOf(replacing.stderr)).toContainEqual(expect.stringMatching(elsewhere('runs', place)));
    await visit(target);
    // Its workers end with its PID 1: nobody is taken over, and nothing is in the way.
    process.kill(first.pid, 'SIGKILL');
    await first.ended;
    await expectNoProcess(place);
    const next = await start(place, [], ['serve'], { address: options });
    await visit(target);
    expect(next.stderr).not.toContain('still serve');
  });
});

test('a PID and a start time that fit prove nothing when they are of another container', async (ctx) => {
  needCommands(ctx, 'flock');
  const place = makePlace();
  const startTime = String(readStat(process.pid)?.startTime);
  await pretend(place, { pid: process.pid, startTime, pidNamespace: '1' });
  const refused = await run(place, patient);
  expect(refused.status).toBe(255);
  expect(hintsOf(refused.stderr)).toContainEqual(expect.stringMatching(elsewhere('runs', place)));
  expect(refused.stderr).not.toContain('kill ');
});

test('a lock whose holder says nothing of itself may be held by another container, and the hint says so', async (ctx) => {
  needCommands(ctx, 'flock');
  const place = makePlace();
  await pretend(place, undefined);
  const refused = await run(place, ['--stop-timeout', '100ms']);
  expect(refused.status).toBe(255);
  expect(hintsOf(refused.stderr).at(-1)).toMatch(
    new RegExp(
      `another process holds .*names it, unless it is in another container that shares ${place.stateDir}$`,
    ),
  );
});

/** Leaves the lock of a pool held by nobody that is known, with a state that has these changes, or with none. */
async function pretend(place: Place, changes: object | undefined): Promise<void> {
  const pool = await start(place);
  const state = { ...readPoolState(place), ...changes };
  const [id = ''] = readdirSync(place.stateDir).map((name) => name.replace(/\.[a-z]+$/, ''));
  await endPool(place, pool);
  const fileOf = (suffix: string): string => join(place.stateDir, `${id}.${suffix}`);
  writeFileSync(fileOf('state'), changes === undefined ? '' : JSON.stringify(state), { mode: 0o600 });
  writeFileSync(fileOf('lock'), '', { mode: 0o600 });
  startForeground([fileOf('lock'), 'sleep', '60'], { command: 'flock' });
  await waitFor('the lock', () => isLocked(place));
}
