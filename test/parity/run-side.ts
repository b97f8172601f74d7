/**
 * Runs one situation with one command in a directory of its own, observes it,
 * and ends everything that it started, by PID.
 */
import { resolve } from 'node:path';
import { readStat, NOBODY, waitFor } from '../helpers/machine/index.ts';
import { printedPids } from '../helpers/pool/index.ts';
import { call, isNobody, type Call } from './call.ts';
import { describeTree } from './directory-tree.ts';
import { endEverything } from './end-everything.ts';
import { denormalise, forgetState, makeSidePlace, normalise, normaliseAll, type SidePlace } from './place.ts';
import type { Outcome, Situation } from './situation.ts';
import { askWorker, type Address, type IdentifiedReport } from './worker-report.ts';

export interface Side {
  command: string;
  /** Made by this run; sides of one situation have paths of equal length. */
  dir: string;
  programs: { worker: string; caller: string };
}

export interface Observation {
  outcome: Outcome;
  hints: string[];
  printed: number[];
  reports: IdentifiedReport[];
  /** Command lines of processes that were still there after the stop. */
  leftovers: string[];
}

export async function runSide(situation: Situation, side: Side): Promise<Observation> {
  const place = await makeSidePlace(side.dir, side.programs.worker, isNobody(situation) ? NOBODY : undefined);
  const undo: (() => void | Promise<void>)[] = [];
  try {
    for (const setup of situation.setup ?? []) undo.push((await setup(place)) ?? (() => undefined));
    const running = call(side.command, side.programs.caller, situation, place);
    return await observe(situation, place, running);
  } finally {
    for (const action of undo.reverse()) await action();
    forgetState(place);
  }
}

async function observe(situation: Situation, place: SidePlace, running: Call): Promise<Observation> {
  const family: number[] = [];
  let leftovers: string[] | undefined;
  try {
    const seen = situation.foreground
      ? await observeForeground(situation, place, running)
      : await observeBackground(situation, place, running, family);
    const printed = printedPids(running.stdout());
    const { text: stderr, hints } = withoutHints(normalise(running.stderr(), place));
    const stdout = normalise(running.stdout(), place);
    leftovers = await endEverything(family, running, place);
    const workers = seen.reports.map(({ facts }) => normaliseAll(facts, place));
    const { reports, ...rest } = seen;
    return { outcome: { ...rest, stdout, stderr, workers }, hints, printed, reports, leftovers };
  } finally {
    running.kill('SIGKILL');
    if (!leftovers) await endEverything(family, running, place);
  }
}

type Seen = Pick<Outcome, 'status' | 'signal' | 'outputEnds' | 'tree'> & { reports: IdentifiedReport[] };

/** The command returns; what it leaves behind is asked then. */
async function observeBackground(
  situation: Situation,
  place: SidePlace,
  running: Call,
  family: number[],
): Promise<Seen> {
  const ending = await running.exited;
  const outputEnds = await running.outputEnds();
  family.push(...printedPids(running.stdout()));
  const reports = await collectReports(situation, place, () => ending.status === 0);
  family.push(...reports.flatMap(({ pid, parent }) => [pid, ...(isNewer(parent, running) ? [parent] : [])]));
  return { ...ending, outputEnds, reports, tree: normaliseAll(describeTree(place.dir), place) };
}

/** The command stays: it is asked while it runs, and then ended; a program that ends by itself is waited for. */
async function observeForeground(situation: Situation, place: SidePlace, running: Call): Promise<Seen> {
  if (situation.workers === 0) await running.exited;
  const reports = await collectReports(situation, place, () => !running.ending(), running.exited);
  const { upLine } = situation;
  if (upLine) await waitFor('the pool to be up', () => running.ending() ?? upLine.test(running.stderr()));
  const tree = normaliseAll(describeTree(place.dir), place);
  if (!running.ending()) running.kill('SIGTERM');
  const ending = await running.exited;
  return { ...ending, outputEnds: await running.outputEnds(), reports, tree };
}

async function collectReports(
  situation: Situation,
  place: SidePlace,
  isUp: () => boolean,
  ended: Promise<unknown> = new Promise(() => undefined),
): Promise<IdentifiedReport[]> {
  const reports: IdentifiedReport[] = [];
  while (isUp() && reports.length < (situation.workers ?? 1)) {
    const report = await Promise.race([askWorker(addressOf(situation, place)), ended.then(() => undefined)]);
    if (!report) break;
    reports.push(report);
  }
  return reports;
}

function addressOf({ args, socket = 'run.sock', host = '127.0.0.1' }: Situation, place: SidePlace): Address {
  const uses = (token: string): boolean => args.some((arg) => arg.includes(token));
  if (uses('<low-port>')) return { host, port: place.lowPort };
  if (uses('<port>')) return { host, port: place.port };
  return { path: resolve(place.dir, denormalise(socket, place)) };
}

/** Where nothing was printed, the supervisor is known as a parent younger than the caller. */
function isNewer(pid: number, { startTime }: Call): boolean {
  return pid > 1 && (readStat(pid)?.startTime ?? 0) >= startTime;
}

const HINT = /^spawn-fcgi: hint: .*\n/gm;

function withoutHints(text: string): { text: string; hints: string[] } {
  return { text: text.replaceAll(HINT, ''), hints: text.match(HINT) ?? [] };
}
