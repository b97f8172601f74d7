// Two containers that share a state directory: each has a supervisor that is PID 1, and neither can see the other's
// processes. A start says so at once instead of taking one PID 1 for the other or waiting for it.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const container = ['--pid', '--fork', '--kill-child', '--mount-proc', '--'];
/** Whoever waits for a stop would wait as long. */
const patient = ['--stop-timeout', '1h'];
const elsewhere = (doing: string, { stateDir }: pools.Place): RegExp =>
  new RegExp(
    `^pool 'app' on .* ${doing} in another container \\(its supervisor is PID \\d+ there\\) that shares ${stateDir}, .*: stop it there, or give each container a --state-dir of its own$`,
  );

interface Address {
  options: string[];
  target: { path: string } | { host: string; port: number };
  inUse: string;
}

async function addressOf({ socket }: pools.Place, transport: string): Promise<Address> {
  if (transport !== 'TCP') {
    return {
      options: ['-s', socket],
      target: { path: socket },
      inUse: "spawn-fcgi: socket is already in use, can't spawn",
    };
  }
  const port = await machine.freePort();
  return {
    options: ['-a', '127.0.0.1', '-p', String(port)],
    target: { host: '127.0.0.1', port },
    inUse: 'spawn-fcgi: bind failed: Address already in use',
  };
}

async function startContainer(place: pools.Place, address: readonly string[]): Promise<pools.ForegroundPool> {
  const args = pools.commandLine(place, ['-n', '--supervise'], ['serve'], { address });
  const started = pools.startForeground([...container, pools.oursPath, ...args], {
    command: 'unshare',
    cwd: place.dir,
  });
  await pools.waitForEvents(place, 'pool-up');
  return started;
}

function runInContainer(
  place: pools.Place,
  options: readonly string[],
  address: readonly string[],
): Promise<machine.RunResult> {
  const args = pools.commandLine(place, ['-n', '--supervise', ...patient, ...options], ['serve'], {
    address,
  });
  return machine.runCommand('unshare', [...container, pools.oursPath, ...args], { cwd: place.dir });
}

describe.for(['TCP', 'a Unix socket'])('on %s', (transport) => {
  test('a start beside a pool of another container is refused with the reason, with --replace too', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare');
    const place = pools.makePlace();
    const { options, target, inUse } = await addressOf(place, transport);
    const first = await startContainer(place, options);
    expect(pools.readPoolState(place)?.pid).toBe(1);
    const plain = await runInContainer(place, [], options);
    expect(plain.status).toBe(255);
    expect(pools.withoutHints(plain.stderr)).toBe(inUse);
    expect(pools.hintsOf(plain.stderr)).toContainEqual(expect.stringMatching(elsewhere('runs', place)));
    const replacing = await runInContainer(place, ['--replace'], options);
    expect(replacing.status).toBe(255);
    expect(pools.withoutHints(replacing.stderr)).toMatch(
      /^spawn-fcgi: cannot take over the pool on .*: it runs in another container$/,
    );
    expect(pools.hintsOf(replacing.stderr)).toContainEqual(expect.stringMatching(elsewhere('runs', place)));
    await pools.visit(target);
    // Its workers end with its PID 1: nobody is taken over, and nothing is in the way.
    process.kill(first.pid, 'SIGKILL');
    await first.ended;
    await pools.expectNoProcess(place);
    const next = await pools.start(place, [], ['serve'], { address: options });
    await pools.visit(target);
    expect(next.stderr).not.toContain('still serve');
  });
});

test('a PID and a start time that fit prove nothing when they are of another container', async (ctx) => {
  machine.needCommands(ctx, 'flock');
  const place = pools.makePlace();
  const startTime = String(machine.readStat(process.pid)?.startTime);
  await pretend(place, { pid: process.pid, startTime, pidNamespace: '1' });
  const refused = await pools.run(place, patient);
  expect(refused.status).toBe(255);
  expect(pools.hintsOf(refused.stderr)).toContainEqual(expect.stringMatching(elsewhere('runs', place)));
  expect(refused.stderr).not.toContain('kill ');
});

test('a lock whose holder says nothing of itself may be held by another container, and the hint says so', async (ctx) => {
  machine.needCommands(ctx, 'flock');
  const place = pools.makePlace();
  await pretend(place, undefined);
  const refused = await pools.run(place, ['--stop-timeout', '100ms']);
  expect(refused.status).toBe(255);
  expect(pools.hintsOf(refused.stderr).at(-1)).toMatch(
    new RegExp(
      `another process holds .*names it, unless it is in another container that shares ${place.stateDir}$`,
    ),
  );
});

/** Leaves the lock of a pool held by nobody that is known, with a state that has these changes, or with none. */
async function pretend(place: pools.Place, changes: object | undefined): Promise<void> {
  const pool = await pools.start(place);
  const state = { ...pools.readPoolState(place), ...changes };
  const [id = ''] = readdirSync(place.stateDir).map((name) => name.replace(/\.[a-z]+$/, ''));
  await pools.endPool(place, pool);
  const fileOf = (suffix: string): string => join(place.stateDir, `${id}.${suffix}`);
  writeFileSync(fileOf('state'), changes === undefined ? '' : JSON.stringify(state), { mode: 0o600 });
  writeFileSync(fileOf('lock'), '', { mode: 0o600 });
  pools.startForeground([fileOf('lock'), 'sleep', '60'], { command: 'flock' });
  await machine.waitFor('the lock', () => pools.isLocked(place));
}
