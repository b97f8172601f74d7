// Supervisor events as one line each, and how urgent each is.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventFacts } from '../../src/core/text/event-json.ts';
import { describeEvent } from '../../src/core/text/event-text.ts';
import { severityOf, type Severity } from '../../src/core/text/event-severity.ts';
import type { PoolEvent } from '../../src/core/text/pool-event.ts';

const ended = {
  event: 'worker-ended',
  slot: 2,
  workerPid: 300,
  end: { kind: 'exited', status: 1 },
  uptimeMs: 12_340,
  class: 'crash',
  delayMs: 0,
} as const;
const asleep = {
  pid: 301,
  name: 'app.py',
  state: 'S',
  call: 'futex',
  wchan: 'futex_do_wait',
  stack: ['futex_do_wait', 'do_futex.constprop.0', '__x64_sys_futex', 'do_syscall_64'],
  threads: 2,
} as const;
const running = { pid: 302, name: 'sh', state: 'R', threads: 1 } as const;
const stuckEvent = {
  event: 'request-stuck',
  slot: 2,
  workerPid: 300,
  ageMs: 90_210,
  timeoutMs: 90_000,
  pids: [300, 301],
  doing: [running],
} as const;
const execFailed = {
  event: 'exec-failed',
  slot: 0,
  path: '/srv/app',
  errno: 2,
  error: 'No such file or directory',
  delayMs: 100,
} as const;

const lines: readonly (readonly [PoolEvent, Severity, string])[] = [
  [
    { event: 'pool-up', address: '127.0.0.1:9000', workers: 1 },
    'notice',
    'pool up on 127.0.0.1:9000 with 1 worker',
  ],
  [
    { event: 'pool-up', address: '/run/app.sock', workers: 8 },
    'notice',
    'pool up on /run/app.sock with 8 workers',
  ],
  [{ event: 'worker-started', slot: 3, workerPid: 300 }, 'info', 'worker 3 started: PID 300'],
  [ended, 'warning', 'worker 2 (PID 300) exited with 1 after 12.3 s; restarting'],
  [
    { ...ended, successorPid: 301 },
    'warning',
    'worker 2 (PID 300) exited with 1 after 12.3 s; restarted as PID 301',
  ],
  [
    { event: 'change-asked', command: 'reload', uid: 1000, clientPid: 77 },
    'notice',
    'reload asked for by uid 1000 (PID 77)',
  ],
  [
    { event: 'change-asked', command: 'stop', uid: undefined, clientPid: undefined },
    'notice',
    'stop asked for by an unknown user',
  ],
  [{ event: 'spare-ready', workerPid: 300, generation: 2 }, 'info', 'spare PID 300 is ready, generation 2'],
  [{ event: 'spare-taken', slot: 1, workerPid: 300 }, 'info', 'spare PID 300 taken for worker 1'],
  [
    {
      event: 'spare-ended',
      workerPid: 300,
      end: { kind: 'signaled', signal: 9 },
      signalName: 'SIGKILL',
      uptimeMs: 7000,
      delayMs: 100,
    },
    'warning',
    'spare PID 300 was killed by SIGKILL after 7.0 s; restarting in 100 ms',
  ],
  [
    {
      event: 'spare-ended',
      end: { kind: 'not-executed', errno: 2 },
      error: 'exec failed: No such file or directory',
      uptimeMs: 0,
      delayMs: 100,
    },
    'warning',
    'a spare could not be started: exec failed: No such file or directory; restarting in 100 ms',
  ],
  [{ event: 'planned-exits', count: 38, withinMs: 60_001 }, 'info', '38 planned exits in the last minute'],
  [{ event: 'planned-exits', count: 1, withinMs: 1500 }, 'info', '1 planned exit in the last 1.5 s'],
  [
    {
      event: 'worker-replaced',
      slot: 2,
      workerPid: 301,
      generation: 4,
      formerPid: 300,
      guard: 'max-age',
      reason: 'it was 6h old (--max-age)',
    },
    'info',
    'worker 2 is PID 301 now, generation 4, in the place of PID 300: it was 6h old (--max-age)',
  ],
  [
    {
      event: 'replacement-failed',
      slot: 2,
      workerPid: 300,
      guard: 'max-age',
      reason: 'it was 6h old (--max-age)',
      error: "exec of '/srv/app' failed: No such file or directory",
      delayMs: 10_000,
    },
    'warning',
    "worker 2 (PID 300) is not replaced (it was 6h old (--max-age)): exec of '/srv/app' failed: No such file or directory; it serves on, next attempt in 10.0 s",
  ],
  [
    {
      event: 'over-from-start',
      slot: 2,
      workerPid: 300,
      generation: 4,
      guard: 'max-memory',
      bytes: 314_572_800,
      limitBytes: 268_435_456,
    },
    'warning',
    'worker 2 (PID 300) has 300M of memory from its start, --max-memory is 256M: workers of generation 4 are left alone',
  ],
  [
    {
      event: 'request-slow',
      slot: 2,
      workerPid: 300,
      ageMs: 45_100,
      timeoutMs: 90_000,
      doing: [asleep, running],
    },
    'warning',
    'worker 2 (PID 300): a request is at least 45.1 s old, half of --request-timeout is over; PID 301 (app.py) in futex at futex_do_wait, 2 threads (kernel: futex_do_wait < do_futex), PID 302 (sh) running',
  ],
  [
    { event: 'request-slow', slot: 2, workerPid: 300, ageMs: 900, timeoutMs: 1000, doing: [] },
    'warning',
    'worker 2 (PID 300): a request is at least 900 ms old, half of --request-timeout is over; nobody may see where',
  ],
  [
    { ...stuckEvent, outcome: 'killed', doing: [asleep] },
    'warning',
    'worker 2 (PID 300): a request is stuck, at least 90.2 s old: ending PID 300 301; PID 301 (app.py) in futex at futex_do_wait, 2 threads',
  ],
  [
    { ...stuckEvent, outcome: 'signalled', signal: 'SIGUSR1', signalled: [301] },
    'warning',
    'worker 2 (PID 300): a request is stuck, at least 90.2 s old: SIGUSR1 to PID 301, then ending PID 300 301; PID 302 (sh) running',
  ],
  [
    { ...stuckEvent, outcome: 'signalled', signal: 'SIGUSR1', signalled: [] },
    'warning',
    'worker 2 (PID 300): a request is stuck, at least 90.2 s old: nobody catches SIGUSR1, ending PID 300 301; PID 302 (sh) running',
  ],
  [
    { ...stuckEvent, outcome: 'spared', pids: [], doing: [{ ...running, state: 't' }] },
    'warning',
    'worker 2 (PID 300): a request is stuck, at least 90.2 s old: left alone while it is stopped; PID 302 (sh) stopped by a debugger',
  ],
  [
    {
      ...stuckEvent,
      outcome: 'killed',
      doing: [1, 2, 3, 4, 5, 6].map((pid) => ({ ...running, pid, threads: pid })),
    },
    'warning',
    'worker 2 (PID 300): a request is stuck, at least 90.2 s old: ending PID 300 301; PID 1 (sh) running, PID 2 (sh) running, 2 threads, PID 3 (sh) running, 3 threads, PID 4 (sh) running, 4 threads, and 11 other threads',
  ],
  [
    {
      ...ended,
      end: { kind: 'signaled', signal: 9 },
      signalName: 'SIGKILL',
      class: 'stuck',
      successorPid: 301,
    },
    'warning',
    'worker 2 (PID 300) was killed by SIGKILL after 12.3 s, since its request was stuck; restarted as PID 301',
  ],
  [
    { event: 'reload-finished', result: 'reloaded', generation: 2, serving: 2 },
    'notice',
    'reload finished (generation 2)',
  ],
  [
    { event: 'reload-finished', result: 'rolled-back', generation: 3, serving: 1, reason: 'why' },
    'err',
    'reload to generation 3 failed, the old workers (generation 1) are in service: why',
  ],
  [
    {
      event: 'reload-finished',
      result: 'rolled-back',
      generation: 2,
      serving: 1,
      reason: 'why',
      words: ['one', 'two'],
    },
    'err',
    'reload to generation 2 failed, the old workers (generation 1) are in service: why; it said: one | two',
  ],
  [
    { event: 'reload-finished', result: 'timed-out', generation: 2, serving: 1, reason: 'why' },
    'err',
    'reload to generation 2 timed out, the old workers (generation 1) are in service: why',
  ],
  [
    { event: 'reload-finished', result: 'partly', generation: 2, serving: 2, reason: 'why' },
    'err',
    'reload to generation 2 failed, and the old program is gone too: old and new workers are in service: why',
  ],
  [
    {
      event: 'spawn-failed',
      slot: 0,
      errno: 11,
      error: 'Resource temporarily unavailable',
      delayMs: 100,
    },
    'err',
    "worker 0: cannot start a worker: Resource temporarily unavailable (see the user's limit of processes (ulimit -u) and pids.max of the cgroup); restarting in 100 ms",
  ],
  [
    { event: 'spawn-failed', slot: 1, errno: 12, error: 'Cannot allocate memory', delayMs: 100 },
    'err',
    'worker 1: cannot start a worker: Cannot allocate memory (see the memory that is left, and memory.max of the cgroup); restarting in 100 ms',
  ],
  [
    {
      ...ended,
      end: { kind: 'signaled', signal: 11 },
      signalName: 'SIGSEGV',
      uptimeMs: 999.4,
      class: 'failed-start',
      delayMs: 90,
    },
    'warning',
    'worker 2 (PID 300) was killed by SIGSEGV after 999 ms; restarting in 90 ms',
  ],
  [
    {
      ...ended,
      end: { kind: 'signaled', signal: 40 },
      signalName: undefined,
      uptimeMs: 0.2,
      delayMs: 30_000,
    },
    'warning',
    'worker 2 (PID 300) was killed by signal 40 after 0 ms; restarting in 30.0 s',
  ],
  [
    { ...ended, end: { kind: 'exited', status: 0 }, class: 'planned' },
    'info',
    'worker 2 (PID 300) exited with 0 after 12.3 s; restarting',
  ],
  [
    { ...ended, end: { kind: 'not-executed', errno: 2 } },
    'warning',
    'worker 2 (PID 300) could not be executed after 12.3 s; restarting',
  ],
  [execFailed, 'err', "worker 0: exec of '/srv/app' failed: No such file or directory; restarting in 100 ms"],
  [
    { event: 'socket-held', holder: 300, name: 'app' },
    'warning',
    'PID 300 (app) has left the session of its worker and keeps the listening socket: it answers requests, too, until the pool stops or its generation is replaced',
  ],
  [
    { event: 'socket-held', holder: 300, name: 'app', slot: 2 },
    'warning',
    'PID 300 (app) has left the session of worker 2 and keeps the listening socket: it answers requests, too, until the pool stops or its generation is replaced',
  ],
  [
    { event: 'session-left', session: 300, pids: [301] },
    'warning',
    'ending 1 process left of worker PID 300: 301',
  ],
  [
    { event: 'session-left', session: 300, pids: [301, 302] },
    'warning',
    'ending 2 processes left of worker PID 300: 301 302',
  ],
  [{ event: 'stopping', reason: 'SIGTERM' }, 'notice', 'stopping: SIGTERM'],
  [
    { event: 'killed', reason: '--stop-timeout', pids: [300, 301] },
    'warning',
    'killed PID 300 301: --stop-timeout',
  ],
  [
    {
      event: 'log-program-ended',
      logPid: 300,
      end: { kind: 'exited', status: 111 },
      uptimeMs: 12,
      delayMs: 200,
    },
    'warning',
    'the log program (PID 300) exited with 111 after 12 ms; restarting in 200 ms',
  ],
  [
    { event: 'output-discarded', slot: 1, workerPid: 300 },
    'notice',
    'what worker 1 (PID 300) printed is discarded: --output FILE keeps what workers print',
  ],
  [
    {
      event: 'request-cut',
      slot: 2,
      workerPid: 300,
      connections: 1,
      ageMs: 9004,
      reason: '--stop-timeout',
    },
    'warning',
    'worker 2 (PID 300): cut a request, or a connection kept open, at least 9.0 s old: --stop-timeout',
  ],
  [
    {
      event: 'request-cut',
      slot: undefined,
      workerPid: 300,
      connections: 3,
      ageMs: 12,
      reason: 'second signal',
    },
    'warning',
    'worker PID 300: cut 3 requests, or connections kept open, the oldest at least 12 ms old: second signal',
  ],
  [{ event: 'stopped' }, 'notice', 'stopped'],
  [
    { event: 'start-limit-reached', count: 3, withinMs: 10_000 },
    'err',
    '--start-limit reached: 3 crashes or failed starts within 10.0 s',
  ],
  [
    { event: 'start-limit-reached', count: 1, withinMs: 60_000 },
    'err',
    '--start-limit reached: 1 crash or failed start within 60.0 s',
  ],
  [{ event: 'scaled', workers: 1, from: 3 }, 'notice', 'scaled to 1 worker'],
  [
    { event: 'scaled', workers: 5, from: 3, reason: '7 connections wait, nobody idle' },
    'notice',
    'scaled from 3 to 5 workers: 7 connections wait, nobody idle',
  ],
  [
    { event: 'workers-exhausted', workers: 8, queued: 12 },
    'warning',
    'all 8 workers are at work, 12 connections wait, and --workers allows no more',
  ],
  [
    { event: 'workers-exhausted', workers: 8 },
    'warning',
    'all 8 workers are at work, and --workers allows no more',
  ],
  [{ event: 'signal-ignored', signal: 'SIGUSR2' }, 'notice', 'SIGUSR2 ignored'],
  [{ event: 'logs-reopened' }, 'notice', 'logs reopened'],
  [
    { event: 'socket-renewed', address: '/run/app.sock', was: 'gone' },
    'warning',
    'the socket file /run/app.sock was removed: bound anew',
  ],
  [
    { event: 'socket-renewed', address: '/run/app.sock', was: 'replaced' },
    'warning',
    'the socket file /run/app.sock was replaced: bound anew',
  ],
  [{ event: 'warning', message: 'the old file stays in use' }, 'warning', 'the old file stays in use'],
];

test.each(lines)('%j is of severity %s and reads: %s', (event, severity, line) => {
  expect(severityOf(event)).toBe(severity);
  expect(describeEvent(event)).toBe(line);
});

test('the page of events has every field of theirs in its row, and those of all', () => {
  const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  const whose = { name: 'app', address: '/run/a', pid: 1 };
  const missing = lines.flatMap(([event]) => {
    const common = Object.keys(eventFacts({ event: 'stopped' }, whose, new Date()));
    const row = rows.find((line) => line.split('|')[1]?.includes(`\`${event.event}\``)) ?? '';
    const fields = Object.keys(event).filter((field) => field !== 'event');
    return [
      ...fields.filter((field) => !row.includes(`\`${field}\``)).map((field) => `${event.event}: ${field}`),
      ...common.filter((field) => !page.includes(`| \`${field}\` |`)),
    ];
  });
  expect(missing).toEqual([]);
});

test.each<PoolEvent>([
  { ...execFailed, path: '/srv/a\nb' },
  { event: 'pool-up', address: '/run/a\r\nb.sock', workers: 1 },
  { event: 'warning', message: 'first\nsecond' },
  { event: 'stopping', reason: 'first\nsecond' },
])('$event stays one line, even when a path or a text has a newline in it', (event) => {
  expect(describeEvent(event)).not.toMatch(/[\r\n]/);
});
