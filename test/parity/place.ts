/**
 * A side's own directory and ports, and the way between real texts and those of
 * the tables, in which `<dir>` and `<port>` stand for them.
 */
import { chownSync, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { freePort, isRoot } from '../helpers/machine/index.ts';
import { stateBases } from '../helpers/test-run/index.ts';

export interface SidePlace {
  /** The working directory of the caller and the place of all its files. */
  dir: string;
  port: number;
  /** A port below 1024. */
  lowPort: number;
  /** The compiled reporting worker, to be linked to. */
  workerProgram: string;
  /** What others kept in the state bases when the place was made. */
  stateOfOthers: ReadonlySet<string>;
}

export async function makeSidePlace(
  dir: string,
  workerProgram: string,
  owner: number | undefined,
): Promise<SidePlace> {
  mkdirSync(dir, { mode: 0o755, recursive: true });
  mkdirSync(stateDirOf(dir), { mode: 0o700 });
  linkSync(workerProgram, join(dir, 'app'));
  if (owner !== undefined) for (const path of [dir, stateDirOf(dir)]) chownSync(path, owner, owner);
  // Only root can see which low ports are free; nobody else gets to bind one anyway.
  const lowPort = isRoot ? await freePort(600, 1_000) : 600;
  return { dir, port: await freePort(), lowPort, workerProgram, stateOfOthers: new Set(stateFiles()) };
}

/** Real text to table text. */
export function normalise(text: string, { dir, port, lowPort }: SidePlace): string {
  return text
    .replaceAll(/PID: \d+/g, 'PID: <pid>')
    .replaceAll(/spawn-fcgi\[\d+\]/g, 'spawn-fcgi[<pid>]')
    .replaceAll(dir, '<dir>')
    .replaceAll(new RegExp(`\\b${port}\\b`, 'g'), '<port>')
    .replaceAll(`:${lowPort} `, ':<low-port> ');
}

/** Table text to real text. `<107>` is a path in the directory that is 107 bytes long. */
export function denormalise(text: string, { dir, port, lowPort }: SidePlace): string {
  return text
    .replaceAll('<dir>', dir)
    .replaceAll('<port>', String(port))
    .replaceAll('<low-port>', String(lowPort))
    .replaceAll(/<(\d+)>/g, (_, length: string) => `${dir}/`.padEnd(Number(length), 'x'));
}

export function normaliseAll<T extends Record<string, string | readonly string[]>>(
  facts: T,
  place: SidePlace,
): T {
  const entries = Object.entries(facts).map(([key, value]) => {
    return [
      key,
      typeof value === 'string' ? normalise(value, place) : value.map((text) => normalise(text, place)),
    ];
  });
  return Object.fromEntries(entries) as T;
}

/** Removes what this place's ended pools keep there. */
export function forgetState({ dir, port, lowPort, stateOfOthers }: SidePlace): void {
  const inDir = `${dir.replaceAll('/', '%2F')}%2F`;
  const ofPort = new RegExp(`^[^%]*:(${port}|${lowPort})\\.[a-z]+$`);
  for (const path of stateFiles()) {
    const name = basename(path);
    const own = name.includes(inDir) || ofPort.test(name);
    if (own && !stateOfOthers.has(path)) rmSync(path, { force: true });
  }
}

function stateFiles(): string[] {
  return stateBases.flatMap((base) => namesIn(base).map((name) => join(base, name)));
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function stateDirOf(dir: string): string {
  return `${dir}.state`;
}
