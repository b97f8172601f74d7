// --env: what a worker finds in its environment, by its slot, however it comes to be started.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readStat, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const given = ['--env', 'MODE=first', '--env', 'SLOT=w-%i/%i', '--env', 'EMPTY=', '--env', 'MODE=a=b c'];
const caller = { MODE: 'caller', SLOT: 'caller', MODE_2: 'kept' };

test('workers have them by slot: at first, started again, reloaded, and others after --replace', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-F', '2', ...given], undefined, { env: caller });
  const first = await variablesBySlot(place);
  expect(first).toEqual([expected(0), expected(1)]);

  const ended = workerIn(place, 1);
  process.kill(ended, 'SIGKILL');
  await waitFor('another worker', () => ![0, ended].includes(workerIn(place, 1)));
  expect(await variablesBySlot(place)).toEqual(first);

  expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
  expect(await variablesBySlot(place)).toEqual(first);

  await pools.start(place, ['-F', '2', '--replace', '--env', 'SLOT=%i%%'], undefined, { env: caller });
  await waitFor('the end of the old supervisor', () => pools.readPoolState(place)?.pid !== pool.pid);
  expect(await variablesBySlot(place)).toEqual(
    [0, 1].map((slot) => ['MODE=caller', 'MODE_2=kept', `SLOT=${slot}%%`]),
  );
});

test('a worker on trial stands in for slot 0', async () => {
  const place = pools.makePlace();
  const notes = noteSlots(place, `exec ${place.app} serve`);
  await pools.startPool([...optionsOf(place), '-F', '2', '--env', 'SLOT=%i', '--', notes.program]);
  expect(notes.read()).toEqual(['0', '1']);
  expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 0 });
  expect(notes.read()).toEqual(['0', '1', '0', '0', '1']);
});

test('a program that fails has them when it is run once more for its words', async () => {
  const place = pools.makePlace();
  const notes = noteSlots(place, 'echo "no $SLOT" >&2; exit 3');
  const result = await runCommand(pools.oursPath, [
    ...optionsOf(place),
    '--env',
    'SLOT=%i',
    '--',
    notes.program,
  ]);
  expect(result).toMatchObject({ status: 3, stderr: expect.stringContaining('no 0') as string });
  expect(notes.read()).toEqual(['0', '0']);
});

test('--no-supervise gives them by slot', async () => {
  const place = pools.makePlace();
  const options = ['-s', place.socket, '--no-supervise', '-F', '2', ...given];
  const { pids } = await pools.startPool([...options, '--', place.app, 'serve'], { env: caller });
  expect(pids.map(variablesOf)).toEqual([expected(0), expected(1)]);
});

test('-n with them is in place still, in slot 0', async () => {
  const place = pools.makePlace();
  const command = pools.startForeground(['-n', '-s', place.socket, ...given, '--', place.app, 'serve'], {
    env: caller,
  });
  const variables = await waitFor('the program', () => {
    // The kernel gives it its name first, then its environment.
    const isProgram = readStat(command.pid)?.comm === 'app';
    const found = isProgram ? variablesOf(command.pid) : [];
    return found.length > 0 && found;
  });
  expect(variables).toEqual(expected(0));
});

test.each([
  [['--env', 'FOO'], "invalid value for --env: 'FOO'", '--env takes NAME=VALUE'],
  [['--env', '=x'], "invalid value for --env: '=x'", '--env takes NAME=VALUE'],
  [
    ['-C', '2', '--env', 'PHP_FCGI_CHILDREN=9'],
    '-C and --env PHP_FCGI_CHILDREN exclude each other: -C sets that variable',
    'leave out one of them',
  ],
  [
    ['--ready', 'notify', '--env', 'NOTIFY_SOCKET='],
    '--ready notify and --env NOTIFY_SOCKET exclude each other: --ready notify sets that variable',
    'leave out one of them',
  ],
])('%j is refused in one line, with the way out', async (options, line, hint) => {
  const result = await pools.run(pools.makePlace(), options);
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(result.stderr).toContain(`spawn-fcgi: ${line}\n`);
  expect(result.stderr).toContain(`spawn-fcgi: hint: ${hint}`);
});

function expected(slot: number): string[] {
  return ['EMPTY=', 'MODE=a=b c', 'MODE_2=kept', `SLOT=w-${slot}/${slot}`];
}

function ours(entries: readonly string[]): string[] {
  return entries.filter((entry) => /^(?:MODE|MODE_2|SLOT|EMPTY)=/.test(entry)).toSorted();
}

function variablesOf(pid: number): string[] {
  return ours(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'));
}

function workerIn(place: pools.Place, slot: number): number {
  return pools.readPoolState(place)?.workers.find((worker) => worker.slot === slot)?.pid ?? 0;
}

/** Of both slots, once each has a process that has executed the program. */
function variablesBySlot(place: pools.Place): Promise<string[][]> {
  return waitFor('two workers', () => {
    const workers = pools.readPoolState(place)?.workers ?? [];
    const pids = workers.toSorted((one, other) => (one.slot ?? 0) - (other.slot ?? 0)).map(({ pid }) => pid);
    if (pids.length !== 2) return undefined;
    try {
      const all = pids.map(variablesOf);
      return all.every((variables) => variables.length > 0) && all;
    } catch {
      return undefined;
    }
  });
}

function optionsOf(place: pools.Place): string[] {
  const all = pools.commandLine(place, []);
  return all.slice(0, all.indexOf('--'));
}

/** A program that notes its SLOT and goes on with the rest. */
function noteSlots({ dir }: pools.Place, rest: string): { readonly program: string; read(): string[] } {
  const [program, notes] = [join(dir, 'noting'), join(dir, 'notes')];
  writeFileSync(program, `#!/bin/sh\necho "$SLOT" >>${notes}\n${rest}\n`);
  chmodSync(program, 0o755);
  return { program, read: () => readFileSync(notes, 'utf8').split('\n').filter(Boolean) };
}
