// A start as root with -u whose supervisor is killed right after bind(2), before anybody heard of the file.
import { chownSync, linkSync, lstatSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { describe, expect, test } from 'vitest';
import { atEnd, needTracing, NOBODY, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startHeld, StepTracer, type Step, type Stop } from '../helpers/steps/index.ts';

const options = ['-u', 'nobody', '-g', 'nogroup'];

interface Attempt {
  readonly tracer: StepTracer;
  readonly pid: number;
  readonly ended: Promise<{ status: number | null }>;
}

async function begin(place: pools.Place, stop?: Stop): Promise<Attempt> {
  const { command, pid } = await startHeld(place.dir, pools.commandLine(place, options));
  const tracer = await StepTracer.attach(pid, stop);
  process.kill(pid, 'SIGCONT');
  return { tracer, pid, ended: command.ended };
}

const bind = { name: 'bind app.sock', nth: 1 } as const;

/** What the guard hears of the file. */
async function wordAfterBind(): Promise<Step> {
  const place = pools.makePlace();
  const { tracer, pid, ended } = await begin(place);
  await ended;
  const { steps } = tracer;
  await tracer.end();
  process.kill(pid, 'SIGTERM');
  await pools.expectNoProcess(place);
  const next = steps[steps.findIndex(({ name }) => name === bind.name) + 1];
  expect(next?.name).toBe('write pipe');
  return { name: 'write pipe', nth: next?.nth ?? 0 };
}

test('nothing is left', async (ctx) => {
  needTracing(ctx);
  const word = await wordAfterBind();
  const place = pools.makePlace();
  const { tracer, pid, ended } = await begin(place, { ...word, action: 'hold' });
  await waitFor('the word after bind', () => tracer.hasArrived);
  expect(lstatSync(place.socket).isSocket()).toBe(true);
  process.kill(pid, 'SIGKILL');
  tracer.release();
  await tracer.end();
  expect((await ended).status).not.toBe(0);
  await pools.expectNothingLeft(place);
});

/** Comes to the path while the start is about to bind there. */
const strangers = {
  'a socket that somebody listens on': (path: string) => listen(path),
  'a socket of another user': async (path: string) => {
    await leaveSocket(path);
    chownSync(path, NOBODY, NOBODY);
  },
  'a socket with two names': async (path: string) => {
    await leaveSocket(path);
    linkSync(path, `${path}.other`);
  },
  'a file': (path: string) => writeFileSync(path, ''),
};

describe.for(['is killed', 'finds it in the way'] as const)('a start that %s leaves', (what) => {
  test.for(Object.entries(strangers))('%s', async ([, make], ctx) => {
    needTracing(ctx);
    const place = pools.makePlace();
    const { tracer, pid, ended } = await begin(place, { ...bind, action: 'hold' });
    await waitFor('the start before bind', () => tracer.hasArrived);
    await make(place.socket);
    const { ino } = lstatSync(place.socket);
    if (what === 'is killed') process.kill(pid, 'SIGKILL');
    // A guard that has not executed yet waits for the tracer, too.
    tracer.release();
    expect((await ended).status).not.toBe(0);
    await pools.expectNoProcess(place);
    expect(lstatSync(place.socket).ino).toBe(ino);
    await tracer.end();
  });
});

async function listen(path: string): Promise<Server> {
  const server = createServer();
  atEnd(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

/** A socket's file without the socket; closing removes only the name that it was bound to. */
async function leaveSocket(path: string): Promise<void> {
  const server = await listen(`${path}.bound`);
  renameSync(`${path}.bound`, path);
  await new Promise((resolve) => server.close(resolve));
}
