// Follows the steps of a process (test/fixtures/step-tracer.c): system calls that change something for others. Kills it
// at one of them, or holds it there. Or follows all system calls of its own (fault-tracer.c), and lets one of them fail.
// A start is held before its first step by a Node that stops itself.
import { spawn, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileC, fixture } from '../build/index.ts';
import { atEnd, readStat, waitFor } from '../machine/index.ts';
import { oursPath, startForeground, type ForegroundPool, type PoolOptions } from '../pool/index.ts';

/** A step, and the how-many-eth of its name. */
export interface Step {
  readonly name: string;
  readonly nth: number;
}

export interface Stop extends Step {
  /** `kill`: SIGKILL instead of the step; `hold`: it waits there for `release`. */
  readonly action: 'kill' | 'hold';
}

export interface Fault extends Step {
  /** The call fails, or it and all of its name after it. */
  readonly action: 'once' | 'always';
  readonly errno: number;
}

/** What is to happen to the process; `list`: nothing, but all of its own calls are told. */
export type Intervention = Stop | Fault | { readonly action: 'list' };

const quietMs = 150;
/** The tracers' own; all else are names. */
const words = new Set(['ready', 'killed', 'held', 'failed']);

/** Of all that a process makes for purposes of its own, not of its steps. */
export function isAboutCalls({ action }: Intervention): boolean {
  return action === 'once' || action === 'always' || action === 'list';
}

function argumentsOf(at: Intervention | undefined): string[] {
  if (!at || at.action === 'list') return [];
  const what = 'errno' in at ? [at.action, String(at.errno)] : [at.action];
  return [...what, String(at.nth), at.name];
}

export class StepTracer {
  readonly #tracer: ChildProcess;
  readonly #lines: string[] = [];

  private constructor(tracer: ChildProcess) {
    this.#tracer = tracer;
    if (tracer.stdout) createInterface({ input: tracer.stdout }).on('line', (line) => this.#lines.push(line));
    // It may end at the same moment.
    tracer.stdin?.on('error', () => undefined);
    atEnd(() => this.end());
  }

  /** Follows the process from now on. */
  static async attach(pid: number, at?: Intervention): Promise<StepTracer> {
    const program = compileC(fixture(at && isAboutCalls(at) ? 'fault-tracer.c' : 'step-tracer.c'));
    const tracer = new StepTracer(
      spawn(program, [String(pid), ...argumentsOf(at)], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await waitFor('the tracer', () => tracer.#lines.includes('ready'));
    return tracer;
  }

  /** What was seen so far, in order. */
  get steps(): Step[] {
    const counts = new Map<string, number>();
    const names = this.#lines.filter((line) => !words.has(line));
    return names.map((name) => {
      const nth = (counts.get(name) ?? 0) + 1;
      counts.set(name, nth);
      return { name, nth };
    });
  }

  /** Whether the process is where it was to be stopped. */
  get hasArrived(): boolean {
    return this.#lines.some((line) => line !== 'ready' && words.has(line));
  }

  get hasEnded(): boolean {
    return this.#tracer.exitCode !== null || this.#tracer.signalCode !== null;
  }

  /** Nothing happens any more. */
  async quiet(): Promise<void> {
    let [count, sinceMs] = [-1, 0];
    await waitFor('the last step', () => {
      if (count !== this.#lines.length) [count, sinceMs] = [this.#lines.length, performance.now()];
      return performance.now() - sinceMs > quietMs;
    });
  }

  release(): void {
    if (this.#lines.at(-1) === 'held') this.#tracer.stdin?.write('\n');
  }

  /** Lets the process go on without us. */
  async end(): Promise<void> {
    if (this.hasEnded) return;
    this.#tracer.kill('SIGKILL');
    await waitFor('the end of the tracer', () => this.hasEnded);
  }
}

export interface HeldStart {
  readonly command: ForegroundPool;
  /** The supervisor to be, stopped before it is Node. */
  readonly pid: number;
}

/** Starts the command in a directory; its Node stops itself first. */
export async function startHeld(
  dir: string,
  args: readonly string[],
  options: PoolOptions = {},
  name: 'spawn-fcgi' | 'spawn-fcgictl' = 'spawn-fcgi',
): Promise<HeldStart> {
  const held = join(dir, 'held');
  fs.rmSync(held, { force: true });
  const bin = makeHoldingPackage(dir, held);
  const command = startForeground(args, { ...options, command: join(bin, name), cwd: dir });
  const pid = await waitFor('the stopped start', () => {
    const found = fs.existsSync(held) ? Number(fs.readFileSync(held, 'utf8')) : 0;
    return readStat(found)?.state === 'T' && found;
  });
  return { command, pid };
}

/** The commands of a package whose Node says its PID, and waits for SIGCONT before it is Node. */
function makeHoldingPackage(dir: string, held: string): string {
  const original = fs.realpathSync(join(dirname(oursPath), '..'));
  const copy = join(dir, 'package');
  const bin = join(copy, 'bin');
  if (fs.existsSync(bin)) return bin;
  fs.mkdirSync(bin, { recursive: true });
  fs.mkdirSync(join(copy, 'node_modules/.bin'), { recursive: true });
  for (const name of ['spawn-fcgi', 'spawn-fcgictl', 'find-node.sh', 'watch-node.sh', 'stand-in.sh']) {
    fs.copyFileSync(join(original, 'bin', name), join(bin, name));
  }
  fs.symlinkSync(join(original, 'dist'), join(copy, 'dist'));
  fs.symlinkSync(join(original, 'node_modules/koffi'), join(copy, 'node_modules/koffi'));
  const node = join(copy, 'node_modules/.bin/node');
  const lines = [
    '#!/bin/sh',
    `[ "$1" = --version ] || { echo $$ >'${held}'; kill -STOP $$; }`,
    `exec '${fs.realpathSync(process.execPath)}' "$@"`,
  ];
  fs.writeFileSync(node, `${lines.join('\n')}\n`);
  fs.chmodSync(node, 0o755);
  return bin;
}
