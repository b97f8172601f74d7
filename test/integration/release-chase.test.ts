// A worker that always finds a next connection in the queue: it is followed to the end of the one that it serves, and ended
// before it accepts another (docs/internals/graceful-end.md). Who is followed notices nothing, whatever happens meanwhile.
import { spawnSync } from 'node:child_process';
import { beforeEach, describe, expect, test } from 'vitest';
import { SessionFreezer } from '../../src/sys/session/session-freeze.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sys from '../helpers/sys/index.ts';
import * as web from '../helpers/web/index.ts';

const echo = compileC(fixture('plain-echo.c'));
const oddWriter = compileC(fixture('odd-writer.c'));
const proc = sys.openProc();
const [SIGKILL, SIGTERM] = [9, 15];
const quick = ['--settle', '0', '--min-uptime', '1ms'];
/** For every worker there is always somebody in the queue. */
const clients = 6;

beforeEach(({ skip }) => {
  const status = proc.readText('self/status') ?? '';
  skip(!/^Seccomp:\s*0$/m.test(status), 'nobody is followed under a filter of system calls');
});

describe.for(['unix', 'tcp'] as const)('on a %s socket', (kind) => {
  async function place() {
    const socket = await sys.listenSomewhere(kind, 64);
    const { target } = socket;
    const client: web.FastcgiTarget = 'path' in target ? { socketPath: target.path } : target;
    return { socket, client, freezer: new SessionFreezer(proc, socket) };
  }

  /** A worker that sleeps in a request, and is followed. */
  async function follow(isOurChild = true) {
    const { socket, client, freezer } = await place();
    const worker = sys.startWorker(socket, [echo]);
    const answer = web.fastcgiRequest(client, { QUERY_STRING: 'sleep=1500' }).then(
      ({ stdout }) => stdout,
      () => 'nothing',
    );
    await machine.waitFor('its sleep', () => inCall(worker, sleeping));
    await machine.waitFor('the pursuit', () => freezer.endIfIdle(worker, isOurChild, 'kill') === 'followed');
    expect(tracerOf(worker)).toBe(process.pid);
    return { worker, answer, freezer };
  }

  test.for(['replace', 'kill'] as const)(
    'workers that are never idle end by %s between two connections',
    async (how) => {
      const { socket, client, freezer } = await place();
      const workers = [1, 2].map(() => sys.startWorker(socket, [echo]));
      const load = web.startRequests(client, clients);
      let looks = 0;
      for (let ended = 0; ended < 20; ended += 1) {
        const worker = workers.shift() ?? 0;
        workers.push(sys.startWorker(socket, [echo]));
        await machine.waitFor(
          'its end',
          () => {
            looks += 1;
            return freezer.endIfIdle(worker, true, how) === 'signalled';
          },
          { intervalMs: 2 },
        );
        expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
      }
      const { answered, lost } = await load.stop();
      expect(lost).toEqual([]);
      expect(answered).toBeGreaterThan(0);
      // By chance it takes some hundreds of looks for each.
      expect(looks / 20).toBeLessThan(60);
    },
  );

  test.for([100, 20_000])(
    'a kept connection that is never quiet ends with an answer of %i bytes, and everybody has the whole of it',
    async (length) => {
      const { socket, client: target, freezer } = await place();
      const worker = sys.startWorker(socket, [echo]);
      const client = new web.KeptClient(target);
      const body = 'x'.repeat(length);
      await client.ask('first');
      const end = endOf(worker, freezer);
      // It may use the connection once more before it has heard of its end, but gets no part of an answer then.
      for (
        let answer: string | undefined = body;
        answer !== undefined && !end.hasFailed && !client.isClosed;
      ) {
        answer = await client.ask('sleep=2', body).catch(() => undefined);
        expect(answer ?? body).toContain(body);
      }
      expect(client.hasPartOfAnswer).toBe(false);
      await end.signalled;
      expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
    },
  );

  test.for(['odd', 'register'])(
    'a program whose calls are unusual (%s) is ended behind an answer as well',
    async (how) => {
      const { socket, client: target, freezer } = await place();
      const worker = sys.startWorker(socket, [oddWriter, how]);
      const client = new web.KeptClient(target);
      await client.ask('first');
      const end = endOf(worker, freezer);
      for (
        let answer: string | undefined = 'x';
        answer !== undefined && !end.hasFailed && !client.isClosed;
      ) {
        answer = await client.ask('next').catch(() => undefined);
      }
      expect(client.hasPartOfAnswer).toBe(false);
      await end.signalled;
      expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
    },
  );

  test('a program with a filter of its own is not ended by it', async () => {
    const { socket, client: target, freezer } = await place();
    const worker = sys.startWorker(socket, [oddWriter, 'filter']);
    const client = new web.KeptClient(target);
    // Who is ended before it has accepted leaves the client in the queue.
    await client.ask('first');
    const looks = setInterval(() => freezer.endIfIdle(worker, true, 'kill'), 2);
    for (let answers = 0; answers < 20 && !client.isClosed; answers += 1)
      await client.ask('next').catch(() => undefined);
    clearInterval(looks);
    freezer.letGo([worker]);
    process.kill(worker, 'SIGKILL');
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });

  test('a request with many system calls has a rest now and then from being followed', async () => {
    const { socket, client, freezer } = await place();
    const worker = sys.startWorker(socket, [oddWriter, 'calls']);
    const answer = web.fastcgiRequest(client, {});
    await machine.waitFor('its sleep', () => inCall(worker, sleeping));
    const look = (): string => freezer.endIfIdle(worker, true, 'kill');
    for (const verdict of ['followed', 'busy', 'followed'])
      await machine.waitFor(`a look that says ${verdict}`, () => look() === verdict, { intervalMs: 2 });
    freezer.letGo([worker]);
    expect((await answer).stdout).toHaveLength(100);
  });

  test.for([
    ['a child of ours', true],
    ['of another supervisor', false],
  ] as const)('whoever is let go answers, be it %s', async ([, isOurChild]) => {
    const { worker, answer, freezer } = await follow(isOurChild);
    freezer.letGo([worker]);
    expect(tracerOf(worker)).toBe(0);
    expect(await answer).toContain('sleep=1500');
  });

  test('nobody is followed by who has forgotten him', async () => {
    const { worker, answer } = await follow();
    await machine.waitFor('it to be let go', () => tracerOf(worker) === 0);
    expect(await answer).toContain('sleep=1500');
  });

  test('a signal from somebody else reaches the program', async () => {
    const { worker, freezer } = await follow();
    process.kill(worker, 'SIGTERM');
    const exit = await machine.waitFor('its end', () => {
      freezer.endIfIdle(worker, true, 'kill');
      return sys.stateOf(worker) === 'Z' && sys.waitForExit(worker);
    });
    expect(exit.signal).toBe(SIGTERM);
  });

  test('who is stopped by somebody else stays stopped until he is continued', async () => {
    const { worker, answer, freezer } = await follow();
    process.kill(worker, 'SIGSTOP');
    await machine.waitFor('its stop', () => {
      freezer.endIfIdle(worker, true, 'ask');
      return sys.stateOf(worker) === 'T';
    });
    process.kill(worker, 'SIGCONT');
    expect(await answer).toContain('sleep=1500');
  });

  test('a worker in a system call that would fail is not followed', async () => {
    const { socket, client, freezer } = await place();
    const worker = sys.startWorker(socket, [echo]);
    const fifo = `${machine.makeTempDir()}/hold`;
    spawnSync('mkfifo', ['-m', '0666', fifo]);
    const answer = web.fastcgiRequest(client, { QUERY_STRING: `hold=${fifo}` });
    await machine.waitFor('the wait for a writer', () => inCall(worker, opening));
    expect(freezer.endIfIdle(worker, true, 'kill')).toBe('busy');
    expect(tracerOf(worker)).toBe(0);
    spawnSync('sh', ['-c', `: >${fifo}`]);
    expect((await answer).stdout).toContain('hold=');
  });
});

describe.for(web.transports)('a pool on %s', (transport) => {
  test('whose supervisor is killed while it follows a worker answers on', async () => {
    const place = await pools.makeEchoPlace(transport);
    const pool = await pools.start(place, [...quick, '-F', '1'], [], { address: place.address });
    const [worker = 0] = pools.workersOf(pool);
    const answer = web.fastcgiRequest(place.target, { QUERY_STRING: 'sleep=5000' });
    await machine.waitFor('its sleep', () => inCall(worker, sleeping));
    process.kill(pool.pid, 'SIGHUP');
    await machine.waitFor('the pursuit', () => tracerOf(worker) === pool.pid);
    await pools.killSupervisor(pool);
    expect((await answer).stdout).toContain(`sleep=5000 ${worker}`);
    expect(tracerOf(worker)).toBe(0);
    pools.killAllOf(place);
    await pools.expectNoProcess(place);
  });
});

/** A worker is tried to be ended again and again, which may take long on a busy machine, and not for ever. */
function endOf(worker: number, freezer: SessionFreezer) {
  const isSignalled = (): boolean => freezer.endIfIdle(worker, true, 'kill') === 'signalled';
  const tried = machine.waitFor('its end', isSignalled, { intervalMs: 2, timeoutMs: 40_000 });
  const end = { hasFailed: false, signalled: tried };
  tried.catch(() => (end.hasFailed = true));
  return end;
}

/** nanosleep and clock_nanosleep. */
const sleeping = process.arch === 'arm64' ? [101, 115] : [35, 230];
/** openat. */
const opening = [process.arch === 'arm64' ? 56 : 257];

function inCall(pid: number, numbers: readonly number[]): boolean {
  return numbers.includes(Number(proc.readText(`${pid}/syscall`)?.split(' ')[0]));
}

function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s*(\d+)/m.exec(proc.readText(`${pid}/status`) ?? '')?.[1]);
}
