// Workers that take note of TERM and wait for connections again (MapServer, threaded libfcgi, often flup): how they
// end, alone and under load, and that whoever tidies up after TERM keeps its time.
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { isAlive, findCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { fastcgiRequest } from '../helpers/web/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];
/** Whoever waits for a deadline is not done within the time of a test. */
const longTime = ['--stop-timeout', '10m'];
const sessionWorker = compileC(fixture('session-worker.c'));

/** Answers with its PID by all of its threads; TERM sets a flag that none of them looks at before it is connected to. */
const threaded = `
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
static volatile sig_atomic_t flag;
static void note(int number) { (void)number; flag = 1; }
static void *serve(void *unused) {
  FCGX_Request request;
  FCGX_InitRequest(&request, 0, 0);
  while (!flag && FCGX_Accept_r(&request) == 0) {
    FCGX_FPrintF(request.out, "Content-Type: text/plain\\r\\n\\r\\n%d\\n", (int)getpid());
    FCGX_Finish_r(&request);
  }
  return unused;
}
int main(void) {
  pthread_t threads[3];
  FCGX_Init();
  signal(SIGTERM, note);
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, serve, NULL);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  return 0;
}
`;

interface Program {
  what: string;
  /** For the script that is the worker; undefined where it cannot be built. */
  command: () => string | undefined;
  ask: (place: pools.Place) => Promise<string>;
}

const hasLibrary = existsSync('/usr/include/fcgiapp.h');
const programs: Program[] = [
  {
    what: 'one thread that takes note of TERM',
    command: () => `exec ${sessionWorker} catch-term serve`,
    ask: askForLine,
  },
  {
    what: 'one thread that ignores TERM',
    command: () => `exec ${sessionWorker} ignore-term serve`,
    ask: askForLine,
  },
  {
    what: 'three threads of libfcgi',
    command: () =>
      hasLibrary && findCommand('gcc') !== undefined
        ? `exec ${compileC(threaded, { libs: ['fcgi'], flags: ['-pthread'] })}`
        : undefined,
    ask: async ({ socket }) => {
      const { stdout } = await fastcgiRequest({ socketPath: socket }, { REQUEST_METHOD: 'GET' });
      return stdout.split('\r\n\r\n')[1] ?? '';
    },
  },
];

describe.for(programs)('$what', ({ command, ask }) => {
  test('eight of them are gone from a stop long before the deadline', async ({ skip }) => {
    const place = installed(command());
    skip(place === undefined, 'needs libfcgi-dev');
    if (!place) return;
    const pool = await pools.start(place, [...longTime, '-F', '8'], []);
    await pools.fullPool(pool, 8);
    expect(await ask(place)).toMatch(/^\d+\n$/);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
    expect(pools.events(place, 'killed')).toEqual([]);
  });

  test('five reloads under load lose no request, and wait for no deadline', async ({ skip }) => {
    const place = installed(command());
    skip(place === undefined, 'needs libfcgi-dev');
    if (!place) return;
    const pool = await pools.start(place, [...quick, ...longTime, '-F', '3'], []);
    await pools.fullPool(pool, 3);
    const load = new Load(() => ask(place), 2);
    for (let round = 0; round < 5; round += 1) {
      expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
    }
    await load.stop();
    expect(load.lost).toEqual([]);
    expect(load.answered).toBeGreaterThan(0);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
  });
});

test('a worker that tidies up after TERM keeps its time', async () => {
  const place = pools.makePlace();
  const tidied = join(place.dir, 'tidied');
  const ready = join(place.dir, 'ready');
  writeFileSync(
    place.app,
    `#!/bin/sh\ntrap 'sleep 0.7; : >${tidied}; exit' TERM\n: >${ready}\nwhile :; do sleep 0.02; done\n`,
    { mode: 0o755 },
  );
  const pool = await pools.start(place, longTime, []);
  await waitFor('the trap', () => existsSync(ready));
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNothingLeft(place);
  expect(existsSync(tidied)).toBe(true);
});

test('workers of a supervisor that was killed end in the same way when the next one has taken over', async () => {
  const place = pools.makePlace();
  installScript(place, `exec ${sessionWorker} catch-term serve`);
  const first = await pools.start(place, [...longTime, '-F', '3'], []);
  const orphans = await pools.fullPool(first, 3);
  process.kill(first.pid, 'SIGKILL');
  await waitFor('the end of the supervisor', () => !isAlive(first.pid));
  await pools.start(place, [...longTime, '-F', '1'], []);
  await pools.waitForEvents(place, 'taken-over');
  await waitFor('the end of the orphans', () => orphans.every((pid) => !isAlive(pid)));
  expect(pools.events(place, 'killed')).toEqual([]);
  expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
});

function installed(command: string | undefined): pools.Place | undefined {
  if (command === undefined) return undefined;
  const place = pools.makePlace();
  installScript(place, command);
  return place;
}

function installScript(place: pools.Place, text: string): void {
  writeFileSync(place.app, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/** From session-worker. */
function askForLine({ socket }: pools.Place): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const connection = connect(socket, () => connection.write('\n'));
    connection.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    connection.on('error', (error) => (text += error.message));
    connection.once('close', () => resolve(text));
  });
}

/** A few clients that are never idle. */
class Load {
  answered = 0;
  readonly lost: string[] = [];
  readonly #clients: Promise<void>[];
  #isOver = false;

  constructor(ask: () => Promise<string>, clients: number) {
    this.#clients = Array.from({ length: clients }, () => this.#run(ask));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #run(ask: () => Promise<string>): Promise<void> {
    while (!this.#isOver) {
      const answer = await ask().catch((error: unknown) => String(error));
      if (/^\d+\n$/.test(answer)) this.answered += 1;
      else this.lost.push(answer);
    }
  }
}
