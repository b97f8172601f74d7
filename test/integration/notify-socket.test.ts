// The socket of `--ready notify` (src/sys/connection/notify-socket.ts), with senders as sd_notify is: blocking ones.
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NotifySocket, type Notification } from '../../src/sys/connection/notify-socket.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';

const proc = sys.openProc();
const program = compileC(fixture('notify-sender.c'), { static: true });

test('a worker is named by the kernel, and READY=1 is found in any line', async () => {
  const { notify, worker } = await startSender(['send=STATUS=loading', 'send=STATUS=done/READY=1/X=2']);
  expect(await receive(notify, 2)).toEqual([
    { pid: worker, session: worker, ready: false },
    { pid: worker, session: worker, ready: true },
  ]);
  expect(notify.receive()).toEqual([]);
});

test('a child of the worker speaks for its session', async () => {
  const { notify, worker } = await startSender(['fork', 'send=READY=1']);
  const [{ pid, session, ready } = never] = await receive(notify, 1);
  expect(pid).not.toBe(worker);
  expect({ session, ready }).toEqual({ session: worker, ready: true });
});

test('a sender that has gone has no session any more', async () => {
  const { notify, worker } = await startSender(['send=READY=1', 'exit']);
  await sys.waitForExit(worker);
  expect(notify.receive()).toEqual([{ pid: worker, session: undefined, ready: true }]);
});

test('what resembles READY=1 is not', async () => {
  const { notify } = await startSender([
    'send=READY=0',
    'send=NOT_READY=1',
    'send=READY=10',
    'send=STATUS=READY=1',
  ]);
  expect((await receive(notify, 4)).map(({ ready }) => ready)).toEqual([false, false, false, false]);
});

test('descriptors that come along do not stay open', async () => {
  const before = readdirSync('/proc/self/fd').length;
  const { notify } = await startSender(['give=FDSTORE=1', 'give=READY=1']);
  expect((await receive(notify, 2)).map(({ ready }) => ready)).toEqual([false, true]);
  // The notify socket, and the listening socket with its directory.
  expect(readdirSync('/proc/self/fd').length).toBe(before + 3);
});

test('a worker of another user in a chroot reaches it', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'chroot');
  const root = machine.makeTempDir();
  mkdirSync(join(root, 'bin'));
  const notify = openNotify();
  const socket = await sys.listenSomewhere('unix');
  const copy = [
    '/bin/sh',
    '-c',
    'cp "$1" "$2" && exec chroot --userspec=65534:65534 "$3" /bin/sender send=READY=1',
  ];
  const argv = [...copy, 'sh', program, join(root, 'bin/sender'), root];
  const worker = sys.startWorker(socket, argv, { env: { NOTIFY_SOCKET: notify.address } });
  expect(await receive(notify, 1)).toEqual([{ pid: worker, session: worker, ready: true }]);
});

test('a supervisor without privileges receives', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'systemd-notify');
  const notify = openNotify();
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.asUser(machine.NOBODY, () =>
    sys.startWorker(socket, ['/bin/sh', '-c', 'exec systemd-notify --ready'], {
      env: { NOTIFY_SOCKET: notify.address },
    }),
  );
  const found = await machine.waitFor('READY=1', () =>
    sys.asUser(machine.NOBODY, () => notify.receive()).find(({ ready }) => ready),
  );
  // It waits for its barrier until the next message is taken: its session is known.
  expect(found.session).toBe(worker);
  expect((await sys.waitForExit(worker)).status).toBe(0);
});

test('once muted, a worker sends for ever without waiting, and nothing is kept', async () => {
  const report = join(machine.makeTempDir(), 'report');
  const notify = openNotify();
  notify.mute();
  await startSender(['repeat=20000', `report=${report}`], notify);
  expect(await reported(report)).toBe('0\n');
  expect(notify.receive()).toEqual([]);
  // Newcomers can be heard again.
  notify.unmute();
  const { worker: next } = await startSender(['send=READY=1'], notify);
  expect(await receive(notify, 1)).toEqual([{ pid: next, session: next, ready: true }]);
});

test('a worker that waits for room goes on when the socket is muted', async () => {
  const report = join(machine.makeTempDir(), 'report');
  const notify = openNotify();
  const { worker } = await startSender(['send=READY=1', 'repeat=20000', `report=${report}`], notify);
  const sendmsg = process.arch === 'arm64' ? '211 ' : '46 ';
  await machine.waitFor(
    'a full queue',
    () => (proc.readText(`${worker}/syscall`) ?? '').startsWith(sendmsg) && isBlocked(worker),
  );
  expect(notify.receive()[0]).toEqual({ pid: worker, session: worker, ready: true });
  notify.mute();
  expect(await reported(report)).toBe('0\n');
  // Muting again, and unmuting what is not muted, is harmless.
  notify.mute();
  notify.unmute();
  notify.unmute();
});

test('systemd-notify is satisfied by a muted socket', async (ctx) => {
  machine.needCommands(ctx, 'systemd-notify');
  const notify = openNotify();
  notify.mute();
  const env = { ...process.env, NOTIFY_SOCKET: notify.address };
  const { status, stderr } = await machine.runCommand('systemd-notify', ['--status=working'], {
    env,
    timeoutMs: 4000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('a flood of messages does not hold the receiver', async () => {
  const { notify } = await startSender(['repeat=1000000000']);
  await machine.waitFor('the flood', () => notify.receive().length > 0);
  for (let count = 0; count < 5; count += 1) expect(notify.receive().length).toBeLessThanOrEqual(1000);
  notify.mute();
  // One message may have been on its way, however late it arrives.
  const late = Array.from({ length: 50 }, () => notify.receive()).flat();
  expect(late.length).toBeLessThanOrEqual(1);
});

const never: Notification = { pid: 0, session: undefined, ready: false };

function openNotify(): NotifySocket {
  const notify = new NotifySocket(proc);
  expect(notify.address).toMatch(/^@[0-9a-f]{5}$/);
  machine.atEnd(() => notify.close());
  return notify;
}

async function startSender(actions: readonly string[], notify = openNotify()) {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [program, ...actions], { env: { NOTIFY_SOCKET: notify.address } });
  return { notify, worker };
}

async function receive(notify: NotifySocket, count: number): Promise<Notification[]> {
  const all: Notification[] = [];
  await machine.waitFor(`${count} messages`, () => {
    all.push(...notify.receive());
    return all.length >= count;
  });
  return all;
}

/** What the sender has written when all was sent. */
function reported(file: string): Promise<string> {
  return machine.waitFor('the report', () => existsSync(file) && (readFileSync(file, 'utf8') || false));
}

/** Asleep in the same call, twice in a row with nothing done in between. */
function isBlocked(worker: number): boolean {
  const switches = (): string | undefined =>
    proc.readText(`${worker}/status`)?.split('\nvoluntary_ctxt_switches')[1];
  return sys.stateOf(worker) === 'S' && switches() === switches();
}
