// --ready probe and --ready notify: what a start, a reload and a takeover wait for, and what becomes of a release that
// does not say that it is ready.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePort, isAlive, type RunResult, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];
const probe = [...quick, '--ready', 'probe'];
const notify = [...quick, '--ready', 'notify'];

interface Start {
  what: string;
  options: string[];
  actions: string[];
  says: RegExp;
}

const unready: Start[] = [
  {
    what: 'probe: nobody accepts',
    options: probe,
    actions: ['hang'],
    says: /was not ready within --ready-timeout|no answer to a FastCGI management record in time/,
  },
  {
    what: 'probe: the connection is closed without an answer',
    options: probe,
    actions: ['serve'],
    says: /^spawn-fcgi: --ready probe: (?:the connection was closed without an|no) answer/,
  },
  {
    what: 'notify: nothing is said',
    options: notify,
    actions: ['serve'],
    says: /was not ready within --ready-timeout/,
  },
  {
    what: 'notify: one of three workers says nothing',
    options: [...notify, '-F', '3'],
    actions: ['once=FLAG', 'hang', 'ready', 'serve'],
    says: /was not ready within --ready-timeout/,
  },
];

describe.for(unready)('a start that is never ready, by $what:', ({ options, actions, says }) => {
  test('in the background says 75, and nothing is left', async () => {
    const place = pools.makePlace();
    const result = await pools.run(
      place,
      [...timed(options), '-P', place.pidFile],
      actionsIn(place, actions),
    );
    expect(result).toMatchObject({ status: 75, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toMatch(says);
    await pools.expectNothingLeft(place);
  });

  test('in the foreground says 75, and nothing is left', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(place, timed(options), actionsIn(place, actions));
    expect(await pool.ended).toMatchObject({ status: 75 });
    expect(pools.withoutHints(pool.stderr())).toMatch(says);
    await pools.expectNothingLeft(place);
  });
});

describe('a start', () => {
  test.for(['TCP', 'a Unix socket'])('with --ready probe on %s waits for an answer', async (transport) => {
    const place = pools.makePlace();
    const tcp = ['-a', '127.0.0.1', '-p', String(await freePort())];
    const address = transport === 'TCP' ? tcp : ['-s', place.socket];
    const pool = await pools.start(place, [...probe, '-F', '2'], slow(place, 'record'), { address });
    // Each worker creates its file only when it is about to serve.
    expect(pool.stderr).toBe('');
    expect(readFileSync(join(place.dir, 'served'), 'utf8')).not.toBe('');
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('with --ready notify waits for every worker, in a socket of its own', async () => {
    const place = pools.makePlace();
    const env = { ...process.env, NOTIFY_SOCKET: '@nobody-listens-here' };
    const pool = await pools.start(place, [...notify, '-F', '3'], ['pause=200', 'ready', 'serve'], { env });
    const workers = await pools.fullPool(pool, 3);
    expect((await pools.statusOf(place)).workers.map(({ state }) => state)).toEqual(Array(3).fill('running'));
    const [worker = 0] = workers;
    const variables = readFileSync(`/proc/${worker}/environ`, 'utf8')
      .split('\0')
      .filter((entry) => entry.startsWith('NOTIFY_SOCKET='));
    expect(variables).toHaveLength(1);
    expect(variables[0]).toMatch(/^NOTIFY_SOCKET=@(?!nobody)/);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('with --ready notify whose workers die is the failed start of any other', async () => {
    const place = pools.makePlace();
    const result = await pools.run(place, notify, ['exit=9']);
    expect(result).toMatchObject({ status: 9, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toBe('spawn-fcgi: child exited with: 9\n'.trim());
    await pools.expectNothingLeft(place);
  });

  test('that is stopped before it is ready leaves nothing', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(place, [...notify, '-P', place.pidFile], ['serve']);
    await waitFor('a worker', () => pools.starts(place).length > 0);
    process.kill(pool.pid, 'SIGTERM');
    expect(await pool.ended).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
  });
});

test('a start that is stopped before it is ready ends gracefully also when --ready-timeout comes over that', async () => {
  const place = pools.makePlace();
  const options = [...notify, '--ready-timeout', '2s', '--stop-signal', 'TERM'];
  const pool = pools.startStaying(place, options, ['slow-end=3000', 'serve']);
  await waitFor('a worker', () => pools.starts(place).length > 0);
  process.kill(pool.pid, 'SIGTERM');
  const { status } = await pool.ended;
  expect({ status, killed: pools.events(place, 'killed') }).toEqual({ status: 0, killed: [] });
  expect(pools.withoutHints(pool.stderr())).toContain('start interrupted by SIGTERM');
  await pools.expectNothingLeft(place);
});

test('a worker that is replaced counts as running when it has said so', async () => {
  const place = pools.makePlace();
  const quiet = join(place.dir, 'quiet');
  const pool = await pools.start(place, notify, [`when=${quiet}`, 'hang', 'ready', 'serve']);
  const first = await pools.onlyWorker(pool);
  writeFileSync(quiet, '');
  process.kill(first, 'SIGKILL');
  const second = await pools.onlyWorker(pool, [first]);
  expect((await pools.statusOf(place)).workers).toMatchObject([{ pid: second, state: 'starting' }]);
});

describe('a reload', () => {
  const good: [string, string[], string[]][] = [
    ['probe', probe, ['record']],
    ['notify', notify, ['pause=100', 'ready', 'serve']],
  ];

  test.for(good)('with --ready %s replaces all by workers that are ready', async ([, options, actions]) => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [...options, '-F', '2'], actions);
    const before = await pools.fullPool(pool, 2);
    expect(await reload(place)).toMatchObject({ status: 0, stderr: '' });
    await pools.fullPool(pool, 2, before);
    // Two at the start, one on trial, two in the reload.
    expect(pools.starts(place)).toHaveLength(5);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  const bad: [string, string[], string[], number, RegExp][] = [
    [
      'probe',
      probe,
      ['NEW', 'serve', 'record'],
      1,
      /(?:without an|no) answer to a FastCGI management record/,
    ],
    ['probe', probe, ['NEW', 'hang', 'record'], 3, /not up within --ready-timeout/],
    ['notify', notify, ['NEW', 'hang', 'ready', 'serve'], 3, /not up within --ready-timeout/],
    ['notify', notify, ['NEW', 'exit=1', 'ready', 'serve'], 1, /exited with 1 on trial/],
  ];

  test.for(bad)(
    'with --ready %s and %s %s says %i and replaces nobody',
    async ([, options, actions, status, says]) => {
      const place = pools.makePlace();
      const own = status === 3 ? timed(options) : options;
      const pool = await pools.start(place, [...own, '-F', '2'], actionsIn(place, actions));
      const before = await pools.fullPool(pool, 2);
      writeFileSync(join(place.dir, 'new'), '');
      const done = await reload(place);
      expect(done).toMatchObject({ status, stdout: '' });
      expect(done.stderr).toMatch(says);
      expect(pools.workersOf(pool)).toEqual(before);
      expect(pools.events(place, 'worker-replaced')).toEqual([]);
    },
  );
});

describe.for(['--replace', 'the start after a SIGKILL'] as const)('%s', (how) => {
  const cases: [string, string[], string[], string[], number][] = [
    ['probe', probe, ['record'], ['serve'], 75],
    ['probe', probe, ['record'], ['hang'], 75],
    ['notify', notify, ['ready', 'serve'], ['serve'], 75],
    ['probe', probe, ['record'], ['record'], 0],
    ['notify', notify, ['ready', 'serve'], ['pause=100', 'ready', 'serve'], 0],
  ];

  test.for(cases)(
    'with --ready %s waits for its own workers, not for the old ones (%s, %s, %s: %i)',
    async ([, options, oldActions, newActions, status]) => {
      const place = pools.makePlace();
      const old = await pools.start(place, [...options, '-P', place.pidFile], oldActions);
      const worker = await pools.onlyWorker(old);
      if (how !== '--replace') await pools.killSupervisor(old);
      const replace = how === '--replace' ? ['--replace'] : [];
      const own = status === 75 ? timed(options) : options;
      const result = await pools.run(place, [...replace, ...own, '-P', place.pidFile], newActions);
      expect(result).toMatchObject({ status });
      if (status === 0) {
        await waitFor('the end of the old worker', () => !isAlive(worker));
        return;
      }
      expect(isAlive(worker)).toBe(true);
      expect(readFileSync(place.pidFile, 'utf8')).toBe(String(old.pid));
      await waitFor('the old worker alone', () =>
        pools.starts(place).every(({ pid }) => pid === worker || !isAlive(pid)),
      );
      if (how !== '--replace') return;
      await pools.waitForEvents(place, 'handover-failed');
      expect(await pools.statusOf(place)).toMatchObject({ pid: old.pid, operation: null });
    },
  );
});

test('a new supervisor that is killed while it asks leaves nobody behind', async () => {
  const place = pools.makePlace();
  const old = await pools.start(place, probe, ['record']);
  const worker = await pools.onlyWorker(old);
  // The first worker serves, and the one that is asked does not.
  const replaced = pools.run(
    place,
    ['--replace', ...probe],
    actionsIn(place, ['once=FLAG', 'record', 'hang']),
  );
  const [begun] = await pools.waitForEvents(place, 'handover-started');
  await waitFor('the worker that is asked', () => pools.starts(place).length === 3);
  process.kill(Number(begun?.['to']), 'SIGKILL');
  expect((await replaced).status).toBe(1);
  await pools.waitForEvents(place, 'handover-failed');
  await waitFor('the old worker alone', () =>
    pools.starts(place).every(({ pid }) => pid === worker || !isAlive(pid)),
  );
  await pools.endPool(place, old);
  await pools.expectNothingLeft(place);
});

/** With a time-out that a test can wait for; the first start must not run into it. */
function timed(options: readonly string[]): string[] {
  return [...options, '--ready-timeout', '1s'];
}

/** FLAG and NEW as paths in the place. */
function actionsIn({ dir }: pools.Place, actions: readonly string[]): string[] {
  return actions.map((action) =>
    action.replace('FLAG', join(dir, 'flag')).replace(/^NEW$/, `when=${join(dir, 'new')}`),
  );
}

function slow({ dir }: pools.Place, action: string): string[] {
  return ['pause=250', `report=${join(dir, 'served')}`, action];
}

function reload(place: pools.Place): Promise<RunResult> {
  return pools.ctl(place.stateDir, ['reload', place.socket]);
}
