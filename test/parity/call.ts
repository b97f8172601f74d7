/**
 * Calls the command under test by test/fixtures/caller.c, which hands over
 * environment, arguments, descriptors and the rest exactly as the table says.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { readStat, isRoot, NOBODY, waitFor } from '../helpers/machine/index.ts';
import { denormalise, type SidePlace } from './place.ts';
import type { Outcome, Situation } from './situation.ts';

export type Ending = Pick<Outcome, 'status' | 'signal'>;

export interface Call {
  pid: number;
  startTime: number;
  exited: Promise<Ending>;
  /** How it ended, if it has. */
  ending(): Ending | undefined;
  /** Whether the output ends, as the caller of `x=$(spawn-fcgi …)` needs it to, at once after the exit. */
  outputEnds(): Promise<boolean>;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
}

export function call(command: string, caller: string, situation: Situation, place: SidePlace): Call {
  const settings = [
    `arguments=${writeEntries('args', [command, ...situation.args], situation, place)}`,
    `environment=${writeEntries('env', environmentOf(situation), situation, place)}`,
    'umask=022',
    'directory=<dir>',
    ...(isNobody(situation) ? [`user=${NOBODY}:${NOBODY}`] : []),
    ...(situation.caller ?? []),
  ];
  const real = settings.map((text) => denormalise(text, place));
  return watch(spawn(caller, real, { stdio: ['ignore', 'pipe', 'pipe'] }), situation.patienceMs);
}

export function isNobody({ user }: Situation): boolean {
  return user === 'nobody' && isRoot;
}

function environmentOf({ env, user }: Situation): readonly string[] {
  if (Array.isArray(env)) return env as readonly string[];
  return Object.entries(env ?? usualEnvironment(user)).map(([name, value]) => `${name}=${value}`);
}

/** Ordinary users get a place for state files that goes away with the test. */
function usualEnvironment(user: Situation['user']): Record<string, string> {
  const asRoot = user === 'root' || (user === undefined && isRoot);
  const usual = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' };
  return asRoot ? usual : { ...usual, XDG_RUNTIME_DIR: '<dir>.state' };
}

/** Writes NUL-terminated entries for the caller and returns the file's path. */
function writeEntries(
  name: string,
  entries: readonly string[],
  { raw }: Situation,
  place: SidePlace,
): string {
  const path = `${place.dir}.${name}`;
  const text = entries.map((entry) => `${denormalise(entry, place)}\0`).join('');
  writeFileSync(path, Buffer.from(text, raw ? 'latin1' : 'utf8'));
  return path;
}

function watch(child: ChildProcessByStdio<null, Readable, Readable>, patienceMs = 20_000): Call {
  let [out, err] = ['', ''];
  let closed = false;
  let ending: Ending | undefined;
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.once('close', () => (closed = true));
  const { pid } = child;
  if (pid === undefined) throw new Error('the caller could not be started');
  const deadline = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  return {
    pid,
    startTime: readStat(pid)?.startTime ?? Infinity,
    exited: new Promise((resolve) => {
      child.once('exit', (status, signal) => {
        ending = { status, signal };
        clearTimeout(deadline);
        resolve(ending);
      });
    }),
    ending: () => ending,
    outputEnds: () => waitFor('the end of the output', () => closed, { timeoutMs: 1_500 }).catch(() => false),
    stdout: () => out,
    stderr: () => err,
    kill: (signal) => child.kill(signal),
  };
}
