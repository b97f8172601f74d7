/**
 * What the workers of a pool have been given, by their own word (test/fixtures/report-worker.c), in the terms of
 * conversion-fixtures.ts: made the same way for our pools and for those of the originals.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { childrenOf, readProcess, waitFor } from '../machine/index.ts';
import type { ExpectedPool } from './conversion-fixtures.ts';

/** As long as it is waited for at all. */
const PATIENCE_MS = 10_000;

/** One worker, field by field, as report-worker.c writes it. */
export interface GivenReport {
  pid: number;
  fields: Record<string, string>;
  env: Record<string, string>;
}

/** A report each of `count` workers; each of them answers once. */
export async function collectGiven(pool: ExpectedPool, count: number): Promise<GivenReport[]> {
  const reports: GivenReport[] = [];
  while (reports.length < count) {
    const text = await waitFor(`report ${reports.length + 1} from ${JSON.stringify(pool)}`, () =>
      askOnce(pool),
    );
    reports.push(readReport(text));
  }
  return reports;
}

/** Nobody asks again while the first may be answered: a worker would give its only report to a client that has gone. */
function askOnce({ socket, address = '' }: ExpectedPool): Promise<string | false> {
  const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const local = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  const target = socket === undefined ? { host: local, port: Number(port) } : { path: socket };
  return new Promise((resolve) => {
    let text = '';
    const client = connect(target);
    client.setTimeout(PATIENCE_MS, () => client.destroy());
    client.once('connect', () => client.write('?'));
    client.on('data', (chunk) => (text += chunk.toString()));
    client.once('error', () => undefined);
    client.once('close', () => resolve(text.endsWith('\nend\n') && text));
  });
}

function readReport(text: string): GivenReport {
  const fields: Record<string, string> = {};
  const env: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [key = '', ...rest] = line.split(' ');
    const value = rest.join(' ');
    if (key !== 'env') fields[key] = value;
    else {
      const [, name = '', content = ''] = /^([^=]*)=([^]*)$/.exec(unescape(value)) ?? [];
      env[name] = content;
    }
  }
  return { pid: Number(fields['pid']), fields, env };
}

function unescape(text: string): string {
  return Buffer.from(
    text.replaceAll(/%([\dA-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString();
}

/** The facts that `pool` asks for, as these workers have them. */
export function givenFacts(pool: ExpectedPool, reports: readonly GivenReport[]): Partial<ExpectedPool> {
  const first = reports[0];
  if (!first) throw new Error('no worker has answered');
  const all: ExpectedPool = {
    ...socketFacts(pool, first),
    ...processFacts(first),
    workers: pool.workers === undefined ? 0 : countWorkers(first),
    env: pick(first.env, Object.keys(pool.env ?? {})),
    envBySlot: Object.fromEntries(
      Object.keys(pool.envBySlot ?? {}).map((name) => [
        name,
        reports.map(({ env }) => env[name] ?? '').toSorted(),
      ]),
    ),
    noEnv: (pool.noEnv ?? []).filter((name) => first.env[name] === undefined),
    onlyEnv: Object.keys(first.env).toSorted(),
    limits: pick(limitsOf(first), Object.keys(pool.limits ?? {})),
    pidFile: pool.pidFile === undefined ? '' : keptPid(pool.pidFile, first),
    // Of processes of another namespace /proc says nothing.
    ...(pool.output === undefined ? {} : { output: outputOf(first.pid) }),
    ...(pool.outputs === undefined ? {} : { outputs: reports.map(({ pid }) => outputOf(pid)).toSorted() }),
  };
  return pick(all, Object.keys(pool)) as Partial<ExpectedPool>;
}

const notAskedOfWorkers = new Set(['name', 'options', 'foreground', 'range', 'jail', 'listenFd', 'refused']);

/** What is expected of workers, and where the order means nothing in the order of givenFacts. */
export function wantedFacts(pool: ExpectedPool): Partial<ExpectedPool> {
  const facts = Object.entries(pool).filter(([key]) => !notAskedOfWorkers.has(key));
  return { ...Object.fromEntries(facts), ...(pool.onlyEnv ? { onlyEnv: pool.onlyEnv.toSorted() } : {}) };
}

/** All that run the program below their supervisor, those included that have not answered. */
function countWorkers({ pid, fields }: GivenReport): number {
  const wordOf = (one: number): string | undefined => readProcess(one)?.args[0];
  return childrenOf(Number(fields['ppid'])).filter((one) => wordOf(one) === wordOf(pid)).length;
}

/** The file's name, if it has the PID of who started the worker. */
function keptPid(path: string, { fields }: GivenReport): string {
  const text = readFileSync(path, 'utf8').trim();
  return text === fields['ppid'] ? path : `${path}: ${text}, not ${fields['ppid']}`;
}

export function socketFacts({ socket }: ExpectedPool, { fields }: GivenReport): ExpectedPool {
  const description = fields['fd.0'] ?? '';
  const address = / name=(\S+)/.exec(description)?.[1] ?? '';
  const backlog = Number(/ backlog=(\d+)/.exec(description)?.[1]);
  if (socket === undefined) return { address, backlog };
  const { mode, uid, gid } = statSync(socket);
  return {
    socket,
    backlog,
    mode: `0${(mode & 0o7777).toString(8)}`,
    owner: `${nameIn('passwd', uid)}:${nameIn('group', gid)}`,
  };
}

export function processFacts({ fields }: GivenReport): ExpectedPool {
  const [uid = '', gid = ''] = [fields['uids'], fields['gids']].map((ids) => ids?.split('/')[0] ?? '');
  const argc = Number(fields['argc']);
  const argv = Array.from({ length: argc }, (_, index) =>
    unescape(fields[`argv.${String(index).padStart(2, '0')}`] ?? ''),
  );
  return {
    uid: nameIn('passwd', Number(uid)),
    gid: nameIn('group', Number(gid)),
    program: argv[0] ?? '',
    argv: argv.slice(1),
    cwd: unescape(fields['cwd'] ?? ''),
    umask: fields['umask'] ?? '',
    nice: fields['nice'] ?? '',
  };
}

function limitsOf({ fields }: GivenReport): Record<string, string> {
  const limits = Object.entries(fields).filter(([key]) => key.startsWith('limit.'));
  return Object.fromEntries(limits.map(([key, value]) => [key.slice(6), value]));
}

/** As --output names it. */
function outputOf(pid: number): string {
  const [out, err] = [1, 2].map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
  if (out !== err) return `${out} and ${err}`;
  return out === '/dev/null' ? 'null' : (out ?? '');
}

function nameIn(database: 'passwd' | 'group', id: number): string {
  return execFileSync('getent', [database, String(id)], { encoding: 'utf8' }).split(':')[0] ?? '';
}

function pick<T>(record: Record<string, T> | object, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => keys.includes(key))) as Record<
    string,
    T
  >;
}
