// Idle stop of sessions of every shape (src/sys/session/session-freeze.ts): who is ended, who is not, and that
// nobody stays stopped.
import { chmodSync, copyFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SessionFreezer } from '../../src/sys/session/session-freeze.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';

const program = compileC(fixture('session-worker.c'));
const proc = sys.openProc();
const SIGKILL = 9;
const SIGTERM = 15;

describe.for(['unix', 'tcp'] as const)('on a %s socket', (kind) => {
  test('an idle worker ends by the signal', async () => {
    const { socket, freezer } = await place(kind);
    const worker = await startIdle(socket, ['serve']);
    expect(freezer.activity(worker)).toBe('idle');
    await end(freezer, worker, 'ask');
    expect(await sys.waitForExit(worker)).toEqual({ signal: SIGTERM, status: 0 });
  });

  test('a worker with a connection is left alone until it has answered', async () => {
    const { socket, freezer } = await place(kind);
    const worker = await startIdle(socket, ['serve']);
    const client = new Client(socket);
    await machine.waitFor('the connection', () => freezer.isAtWork(worker));
    // `followed` is busy, too: traced to the end of its request, and nothing ends it before that.
    expect(freezer.endIfIdle(worker, true, 'kill')).toMatch(/^(busy|followed)$/);
    client.ask();
    expect(await client.answer()).toBe(`${worker}\n`);
    await machine.waitFor('the end of its work', () => freezer.activity(worker) === 'idle');
    await end(freezer, worker, 'kill');
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });

  test('a connection that the client has given up counts until the worker closes it or waits again', async () => {
    const { socket, freezer } = await place(kind);
    const worker = await startIdle(socket, ['hold']);
    const client = new Client(socket);
    await machine.waitFor('the connection', () => freezer.isAtWork(worker));
    client.close();
    expect(freezer.endIfIdle(worker, true, 'ask')).toBe('busy');
    expect(machine.isAlive(worker)).toBe(true);
  });

  test('a connection that has ended, and that the program forgot to close, does not count once it waits again', async () => {
    const { socket, freezer } = await place(kind);
    const worker = await startIdle(socket, ['threads=2', 'forgetful', 'serve']);
    const before = socketsOf(worker);
    for (let count = 1; count <= 3; count += 1) {
      const client = new Client(socket);
      await machine.waitFor('the connection', () => freezer.isAtWork(worker));
      client.reset();
      await machine.waitFor('the end of its work', () => freezer.activity(worker) === 'idle');
      expect(socketsOf(worker)).toBe(before + count);
    }
    await end(freezer, worker, 'kill');
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });

  test('a request whose client has gone counts as long as somebody works on it', async () => {
    const { socket, freezer } = await place(kind);
    const worker = await startIdle(socket, ['slow=1000', 'serve']);
    const client = new Client(socket);
    await machine.waitFor('the connection', () => freezer.isAtWork(worker));
    client.ask();
    await machine.waitFor('the work', () => isInCall(worker, sleeping));
    client.reset();
    await machine.waitFor('the end of the client', () => client.isClosed);
    expect(freezer.endIfIdle(worker, true, 'ask')).toBe('busy');
    await machine.waitFor('the end of its work', () => freezer.activity(worker) === 'idle');
  });

  test('what has come and was not read yet counts, whoever has gone', async () => {
    const { socket, freezer } = await place(kind);
    const worker = await startIdle(socket, ['threads=1', 'hold']);
    await machine.waitFor('both threads', () => (proc.stat(worker)?.threads ?? 0) === 2);
    const before = socketsOf(worker);
    // The one that serves keeps its connection busy, the one that holds never reads.
    const clients = [new Client(socket), new Client(socket)];
    await machine.waitFor('both connections', () => socketsOf(worker) === before + 2);
    for (const client of clients) client.ask();
    await Promise.race(clients.map((client) => client.answer()));
    for (const client of clients) client.reset();
    expect(freezer.activity(worker)).toBe('busy');
  });

  test('a worker is killed for waiting only while it waits', async () => {
    const { socket, freezer } = await place(kind);
    const idler = await startIdle(socket, ['sleep']);
    expect(freezer.endIfIdle(idler, true, 'kill-waiting')).toBe('busy');
    const worker = await startIdle(socket, ['serve']);
    const client = new Client(socket);
    await machine.waitFor('the connection', () => freezer.isAtWork(worker));
    expect(freezer.endIfIdle(worker, true, 'kill-waiting')).toBe('busy');
    client.ask();
    await client.answer();
    await end(freezer, worker, 'kill-waiting');
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });

  test('a worker that waits on the socket before the one that was bound anew waits, too', async () => {
    const [{ socket }, { socket: fresh }] = [await place(kind), await place(kind)];
    const worker = await startIdle(socket, ['serve']);
    await end(new SessionFreezer(proc, { ...fresh, formerInode: socket.inode }), worker, 'kill-waiting');
    expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
  });

  test('connections of its own to others do not make a worker busy', async () => {
    const { socket, freezer } = await place(kind);
    const other = await sys.listenSomewhere('unix');
    const path = other.address.kind === 'unix' ? other.address.path : '';
    // It is a client of its own pool as well: that connection waits in the queue and must stay there.
    const worker = await startIdle(socket, [`connect=${path}`, 'client', 'sleep']);
    await end(freezer, worker, 'ask');
    await sys.waitForExit(worker);
  });

  test('where descriptors may not be borrowed the tables of the kernel tell', async (ctx) => {
    machine.needRoot(ctx);
    const { socket, freezer } = await place(kind);
    const other = await sys.listenSomewhere('unix');
    const path = other.address.kind === 'unix' ? other.address.path : '';
    const hidden = openProgram();
    const worker = sys.asUser(machine.NOBODY, () =>
      sys.startWorker(socket, [hidden, `connect=${path}`, 'client', 'serve']),
    );
    // It serves itself.
    await machine.waitFor(
      'the connection',
      () => sys.asEffectiveUser(machine.NOBODY, () => freezer.activity(worker)) === 'busy',
    );
    const idle = sys.asUser(machine.NOBODY, () =>
      sys.startWorker(other, [hidden, `connect=${path}`, 'sleep']),
    );
    await machine.waitFor(
      'its connection',
      () => machine.sessionMembers(idle).length === 1 && sys.stateOf(idle) === 'S',
    );
    expect(sys.asEffectiveUser(machine.NOBODY, () => new SessionFreezer(proc, other).activity(idle))).toBe(
      'idle',
    );
  });
});

/** Where in the session a member is: the leader's own group, another group, a group whose parent has gone. */
const shapes = {
  'a child': ['fork', 'MEMBER', 'then'],
  'a child in a group of its own': ['fork-group', 'MEMBER', 'then'],
  'an orphan': ['fork-group', 'fork', 'MEMBER', 'then', 'leave', 'then'],
} as const;

describe.for(Object.entries(shapes))('%s', ([, shape]) => {
  const actions = (member: string): string[] =>
    shape.map((action) => (action === 'MEMBER' ? member : action));

  test('that serves makes the worker busy', async () => {
    const { socket, freezer } = await place('unix');
    const worker = await startIdle(socket, actions('hold'), 2);
    const client = new Client(socket);
    await machine.waitFor('the connection', () => freezer.isAtWork(worker));
    expect(freezer.endIfIdle(worker, true, 'ask')).toBe('busy');
    await expectRunning(worker, 2);
    client.close();
  });

  test('ends with its worker', async () => {
    const { socket, freezer } = await place('unix');
    const worker = await startIdle(socket, actions('serve'), 2);
    await end(freezer, worker, 'ask');
    await machine.waitFor('the end of the session', () => machine.sessionMembers(worker).length === 0);
  });
});

test('what is left of the session of a dead leader is ended as well', async () => {
  const { socket, freezer } = await place('unix');
  const worker = sys.startWorker(socket, [program, 'fork', 'serve', 'then', 'leave']);
  await machine.waitFor(
    'the end of the leader',
    () => sys.stateOf(worker) === 'Z' && machine.sessionMembers(worker).length === 1,
  );
  await end(freezer, worker, 'ask');
  await machine.waitFor('the end of the session', () => machine.sessionMembers(worker).length === 0);
  expect(freezer.endIfIdle(worker, true, 'ask')).toBe('gone');
});

test('a worker that is not a child of ours is looked at by /proc', async () => {
  const { socket, freezer } = await place('unix');
  const worker = await startIdle(socket, ['threads=3', 'spin=2', 'serve']);
  const client = new Client(socket);
  await machine.waitFor('the connection', () => freezer.isAtWork(worker));
  expect(freezer.endIfIdle(worker, false, 'ask')).toBe('busy');
  client.ask();
  await client.answer();
  await end(freezer, worker, 'ask', false);
  expect((await sys.waitForExit(worker)).signal).toBe(SIGTERM);
});

test('a worker that catches TERM goes on, and is ended by KILL', async () => {
  const { socket, freezer } = await place('unix');
  const worker = await startIdle(socket, ['catch-term', 'serve']);
  await end(freezer, worker, 'ask');
  const client = new Client(socket);
  client.ask();
  expect(await client.answer()).toBe(`${worker}\n`);
  await end(freezer, worker, 'kill');
  expect((await sys.waitForExit(worker)).signal).toBe(SIGKILL);
});

test('a thread that cannot be stopped makes the worker busy, and nobody stays stopped', async () => {
  const { socket, freezer } = await place('unix');
  // The parent waits for its vfork uninterruptibly; stopped, the child never lets it go.
  const worker = await startIdle(socket, ['vfork'], 2);
  await machine.waitFor('the uninterruptible wait', () => sys.stateOf(worker) === 'D');
  for (const isOurChild of [true, false]) {
    const beganMs = performance.now();
    expect(freezer.endIfIdle(worker, isOurChild, 'ask')).toBe('busy');
    // Left alone it would take for ever.
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    await machine.waitFor('its going on', () =>
      machine.sessionMembers(worker).every((pid) => sys.stateOf(pid) !== 'T'),
    );
  }
});

test('a process that forks and ends all the time does not keep anybody stopped', async () => {
  const { socket, freezer } = await place('unix');
  const worker = await startIdle(socket, ['catch-term', 'fork', 'catch-term', 'runner', 'then']);
  const beganMs = performance.now();
  const results = Array.from({ length: 10 }, () => freezer.endIfIdle(worker, true, 'ask'));
  // On a machine that is busy with other things it may be missed every time.
  expect(results.filter((result) => result !== 'busy' && result !== 'signalled')).toEqual([]);
  expect(performance.now() - beganMs).toBeLessThan(10_000);
  await machine.waitFor('its going on', () => sys.stateOf(worker) === 'S');
  process.kill(worker, 'SIGKILL');
  await sys.waitForExit(worker);
  await machine.waitFor('the end of the session', () => machine.sessionMembers(worker).length === 0);
});

test('a worker whose first thread has ended cannot be looked into', async () => {
  const { socket, freezer } = await place('unix');
  const worker = sys.startWorker(socket, [program, 'threads=1', 'main-exits']);
  await machine.waitFor('the end of the thread', () => sys.stateOf(worker) === 'Z');
  expect(freezer.activity(worker)).toBe('unknown');
  expect(freezer.endIfIdle(worker, true, 'ask')).toBe('unknown');
  process.kill(worker, 'SIGKILL');
});

test('a program without read permission cannot be looked into by a supervisor that is not root', async (ctx) => {
  machine.needRoot(ctx);
  const { socket, freezer } = await place('unix');
  const hidden = openProgram(0o711);
  const worker = sys.asUser(machine.NOBODY, () => sys.startWorker(socket, [hidden, 'serve']));
  await machine.waitFor('the start', () => sys.stateOf(worker) === 'S');
  expect(sys.asUser(machine.NOBODY, () => freezer.activity(worker))).toBe('unknown');
  expect(sys.asUser(machine.NOBODY, () => freezer.endIfIdle(worker, true, 'ask'))).toBe('unknown');
  await expectRunning(worker);
});

test('a worker of another user is neither looked into nor stopped', async (ctx) => {
  machine.needRoot(ctx);
  const { socket, freezer } = await place('unix');
  const worker = await startIdle(socket, ['serve']);
  expect(sys.asUser(machine.NOBODY, () => freezer.endIfIdle(worker, true, 'kill'))).toBe('unknown');
  await expectRunning(worker);
});

test('a supervisor that is not root ends its own', async (ctx) => {
  machine.needRoot(ctx);
  const { socket, freezer } = await place('tcp');
  const own = openProgram();
  const worker = sys.asUser(machine.NOBODY, () =>
    sys.startWorker(socket, [own, 'fork-group', 'serve', 'then']),
  );
  const client = new Client(socket);
  await machine.waitFor(
    'the connection',
    () => sys.asUser(machine.NOBODY, () => freezer.activity(worker)) === 'busy',
  );
  expect(sys.asUser(machine.NOBODY, () => freezer.endIfIdle(worker, true, 'ask'))).toBe('busy');
  client.ask();
  await client.answer();
  await machine.waitFor(
    'an idle moment',
    () => sys.asUser(machine.NOBODY, () => freezer.endIfIdle(worker, true, 'ask')) === 'signalled',
  );
  await machine.waitFor('the end of the session', () => machine.sessionMembers(worker).length === 0);
});

test('without /proc nothing is known, and nobody is stopped', async () => {
  const { socket } = await place('unix');
  const worker = await startIdle(socket, ['serve']);
  const blind = new SessionFreezer(undefined, socket);
  expect(blind.activity(worker)).toBe('unknown');
  expect(blind.endIfIdle(worker, true, 'ask')).toBe('unknown');
  blind.thaw(worker);
  await expectRunning(worker);
});

test('numbers that kill(2) understands otherwise, and our own session, are refused', async () => {
  const { freezer } = await place('unix');
  const own = Number(proc.stat(process.pid)?.session);
  for (const leader of [-1, 0, 1, own, Number.NaN, 2.5]) {
    expect(freezer.endIfIdle(leader, true, 'kill')).toBe('unknown');
    freezer.thaw(leader);
  }
});

test('an error in the middle leaves nobody stopped', async () => {
  const { socket } = await place('unix');
  const worker = await startIdle(socket, ['fork', `connect=${sys.pathOf(socket)}`, 'sleep', 'then'], 2);
  let looks = 0;
  const broken = {
    ...socket,
    get inode(): string {
      // The first look, at the running worker, succeeds.
      if (sys.stateOf(worker) === 'T') throw new Error(`broken after ${looks} looks`);
      looks += 1;
      return socket.inode;
    },
  };
  await machine.waitFor('the error', () => {
    try {
      new SessionFreezer(proc, broken).endIfIdle(worker, true, 'ask');
      return false;
    } catch {
      return true;
    }
  });
  expect(looks).toBeGreaterThan(0);
  await expectRunning(worker, 2);
});

test('thaw lets a whole session go on that was left stopped', async () => {
  const { socket, freezer } = await place('unix');
  const worker = await startIdle(socket, ['fork-group', 'serve', 'then'], 2);
  for (const pid of machine.sessionMembers(worker)) process.kill(pid, 'SIGSTOP');
  await machine.waitFor('the stop', () =>
    machine.sessionMembers(worker).every((pid) => sys.stateOf(pid) === 'T'),
  );
  freezer.thaw(worker);
  await expectRunning(worker, 2);
});

describe.for(['ask', 'replace', 'kill'] as const)('under load, ended by %s', (signal) => {
  test.for([
    ['one thread', ['serve']],
    ['four threads', ['threads=3', 'serve']],
    ['two processes', ['fork', 'serve', 'then', 'serve']],
  ] as const)('no request is lost by workers with %s', async ([, actions]) => {
    const { socket, freezer } = await place('unix', 128);
    const start = (): number => sys.startWorker(socket, [program, ...actions]);
    const workers = [start(), start(), start()];
    const load = new Load(socket, 2);
    for (let ended = 0; ended < 25; ended += 1) {
      const worker = workers.shift() ?? 0;
      workers.push(start());
      await end(freezer, worker, signal);
      await sys.waitForExit(worker);
    }
    const { answered, lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(answered).toBeGreaterThan(0);
  });
});

test('many workers are looked at with one walk through /proc', async () => {
  const { socket, freezer } = await place('unix');
  const workers = Array.from({ length: 20 }, () =>
    sys.startWorker(socket, [program, 'fork', 'serve', 'then']),
  );
  await machine.waitFor('the sessions', () =>
    workers.every((worker) => machine.sessionMembers(worker).length === 2),
  );
  const first = freezer.scan(workers);
  expect(workers.map((worker) => freezer.activity(worker, first))).toEqual(workers.map(() => 'idle'));
  let left = workers;
  await machine.waitFor('all signals', () => {
    const scan = freezer.scan(left);
    left = left.filter((worker) => freezer.endIfIdle(worker, true, 'ask', scan) !== 'signalled');
    return left.length === 0;
  });
  await machine.waitFor('the end', () =>
    workers.every((worker) => machine.sessionMembers(worker).length === 0),
  );
});

/** nanosleep and clock_nanosleep. */
const sleeping = process.arch === 'arm64' ? [101, 115] : [35, 230];

function isInCall(pid: number, numbers: readonly number[]): boolean {
  return numbers.includes(Number(proc.readText(`${pid}/syscall`)?.split(' ')[0]));
}

function socketsOf(pid: number): number {
  return proc.list(`${pid}/fd`).filter((fd) => proc.readLink(`${pid}/fd/${fd}`)?.startsWith('socket:'))
    .length;
}

/** Until it succeeds: on a busy machine a worker may not get the processor in time to stop. */
async function end(
  freezer: SessionFreezer,
  worker: number,
  how: 'ask' | 'replace' | 'kill' | 'kill-waiting',
  isOurChild = true,
): Promise<void> {
  await machine.waitFor('an idle moment', () => freezer.endIfIdle(worker, isOurChild, how) === 'signalled', {
    timeoutMs: 20_000,
    intervalMs: 1,
  });
}

async function place(kind: 'unix' | 'tcp', backlog?: number) {
  const socket = await sys.listenSomewhere(kind, backlog);
  return { socket, freezer: new SessionFreezer(proc, socket) };
}

/** The program where every user can execute it; without read permission with mode 0711. */
function openProgram(mode = 0o755): string {
  const path = join(machine.makeTempDir(), 'program');
  copyFileSync(program, path);
  chmodSync(path, mode);
  return path;
}

/** Starts a worker and waits until its session has so many members that all sleep (or spin). */
async function startIdle(socket: sys.Listening, actions: readonly string[], members = 1): Promise<number> {
  const worker = sys.startWorker(socket, [program, ...actions]);
  await machine.waitFor('the session', () => {
    const pids = machine.sessionMembers(worker);
    return pids.length >= members && pids.every((pid) => ['S', 'D', 'R'].includes(sys.stateOf(pid) ?? ''));
  });
  await machine.waitFor('its last action', () => proc.readText(`${worker}/syscall`) !== 'running\n');
  return worker;
}

async function expectRunning(worker: number, members = 1): Promise<void> {
  await machine.waitFor('a session that is not stopped', () => {
    const pids = machine.sessionMembers(worker);
    return pids.length === members && pids.every((pid) => sys.stateOf(pid) === 'S');
  });
}

/** One connection; the worker answers a newline with its PID. */
class Client {
  readonly #socket: Socket;
  readonly #ended: Promise<string>;

  constructor({ target }: sys.Listening) {
    this.#socket = connect(target);
    let received = '';
    this.#socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    this.#socket.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      this.#socket.on('close', () => resolve(received));
    });
    machine.atEnd(() => this.close());
  }

  ask(): void {
    this.#socket.write('\n');
  }

  /** All that was received, once the connection is closed. */
  answer(): Promise<string> {
    return this.#ended;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Closes both ways at once, and lets the kernel forget what was not read. */
  reset(): void {
    if (this.#socket.remoteAddress === undefined) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  get isClosed(): boolean {
    return this.#socket.closed;
  }
}

/** Requests one after the other from several clients, until told to stop. */
class Load {
  answered = 0;
  readonly #lost: string[] = [];
  readonly #clients: Promise<void>[];
  #isOver = false;

  constructor(socket: sys.Listening, clients: number) {
    this.#clients = Array.from({ length: clients }, () => this.#run(socket));
  }

  async stop(): Promise<{ answered: number; lost: string[] }> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return { answered: this.answered, lost: this.#lost };
  }

  async #run(socket: sys.Listening): Promise<void> {
    while (!this.#isOver) {
      const client = new Client(socket);
      client.ask();
      const answer = await client.answer();
      if (/^\d+\n$/.test(answer)) this.answered += 1;
      else this.#lost.push(answer);
    }
  }
}
