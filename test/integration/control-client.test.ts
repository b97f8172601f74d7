// The client of the control socket where the command line cannot go: short patience with a supervisor that falls
// silent in the middle of a long operation.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { askPatiently } from '../../src/control/ask-patiently.ts';
import { ask } from '../../src/control/client.ts';
import { formatProgress, formatResult } from '../../src/control/protocol.ts';
import { answerTo, startFake, type Behaviour } from '../helpers/fakes/index.ts';
import { makeStateDir } from '../helpers/pool/index.ts';

async function start(behaviour: Behaviour): Promise<{ path: string; commands: () => string[] }> {
  const { stateDir, id, requests } = await startFake(makeStateDir(), { behaviour });
  return { path: join(stateDir, `${id}.ctl`), commands: () => requests.map(({ command }) => command) };
}

/** Answers the first pings only. */
function answeringPings(count: number, other: Behaviour = () => undefined): Behaviour {
  let pings = 0;
  return (request, connection) => {
    if (request.command !== 'ping') other(request, connection);
    else if (pings++ < count) connection.end(formatResult(answerTo(request)));
  };
}

test('a long wait goes on while pings are answered, and ends when they are not any more', async () => {
  const { path, commands } = await start(answeringPings(3));
  const outcome = await askPatiently(path, { command: 'reload' }, { answerMs: 1000 });
  expect(outcome).toEqual({ kind: 'timed-out', afterMs: 1000 });
  expect(commands()).toEqual(['ping', 'reload', 'ping', 'ping', 'ping']);
});

test('progress is an answer too: no ping is needed while it comes', async () => {
  let sent = 0;
  const { path, commands } = await start(
    answeringPings(1, (request, connection) => {
      const timer = setInterval(() => {
        if (sent++ < 20) return connection.write(formatProgress(`step ${sent}`));
        clearInterval(timer);
        return connection.end(formatResult(answerTo(request)));
      }, 150);
    }),
  );
  const steps: string[] = [];
  const outcome = await askPatiently(
    path,
    { command: 'restart' },
    { answerMs: 2000, onProgress: (text) => steps.push(text) },
  );
  expect(outcome).toMatchObject({ kind: 'result', result: { message: 'restart is done' } });
  expect(steps).toHaveLength(20);
  expect(commands()).toEqual(['ping', 'restart']);
});

test('a ping that finds the socket gone does not end a stop that is under way', async () => {
  const fake = await startFake(makeStateDir(), {
    behaviour: answeringPings(1, (request, connection) => {
      fake.close();
      setTimeout(() => connection.end(formatResult(answerTo(request))), 500);
    }),
  });
  const path = join(fake.stateDir, `${fake.id}.ctl`);
  const outcome = await askPatiently(path, { command: 'stop' }, { answerMs: 100, lingerMs: 1000 });
  expect(outcome).toMatchObject({ kind: 'result', result: { ok: true } });
});

test('a limit for all of it is kept, and told as given', async () => {
  const { path } = await start(answeringPings(99));
  const outcome = await askPatiently(path, { command: 'reload' }, { answerMs: 5000, timeoutMs: 300 });
  expect(outcome).toEqual({ kind: 'timed-out', afterMs: 300 });
});

test('a socket that is not there, and a file that is none, are absent', async () => {
  const stateDir = makeStateDir();
  expect(await ask(join(stateDir, 'none.ctl'), { command: 'ping' })).toEqual({ kind: 'absent' });
  expect(await ask(join(stateDir, `${'x'.repeat(120)}.ctl`), { command: 'ping' })).toEqual({
    kind: 'absent',
  });
});

test('a result is not overtaken by what the server says after it', async () => {
  const { path } = await start((request, connection) => {
    connection.end(`${formatResult(answerTo(request))}garbage\n`);
  });
  expect(await ask(path, { command: 'stop' }, { lingerMs: 300 })).toMatchObject({ kind: 'result' });
});
