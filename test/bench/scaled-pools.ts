// Pools that scale themselves, as the part "scaling" compares them: ours with php-cgi, php-fpm's dynamic and ondemand, all on
// the same script; and ours with a program that takes three seconds to start.
import { chmodSync, writeFileSync } from 'node:fs';
import { childrenOf } from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { findPhpCgi } from './php.ts';
import { runToReturn, startInForeground } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import type { LoadedPool } from './stepped-load.ts';
import { freshPath, type Workplace } from './workplace.ts';

export type ScaledName = 'ours' | 'pm=dynamic' | 'pm=ondemand';

export interface ScaledPool extends LoadedPool {
  stop(): Promise<void>;
}

/** Of all of them. */
const mostWorkers = 16;
const idleSeconds = 1;

export function startScaled(name: ScaledName, place: Workplace, requestMs: number): Promise<ScaledPool> {
  const script = freshPath(place, 'php');
  writeFileSync(script, `<?php usleep(1000 * ${requestMs}); echo "done\\n";\n`);
  const params = {
    REQUEST_METHOD: 'GET',
    SCRIPT_FILENAME: script,
    SCRIPT_NAME: '/',
    QUERY_STRING: '',
    // php-cgi answers nobody without it.
    REDIRECT_STATUS: '200',
  };
  const asked = { params, isGood: (text: string) => text.includes('done') };
  if (name === 'ours') {
    const program = findPhpCgi();
    if (program === undefined) throw new Error('php-cgi is not installed');
    const options = ['--env', 'PHP_FCGI_MAX_REQUESTS=0'];
    return startOurs(place, options, [program, '-n'], asked);
  }
  return startFpm(name, place, asked);
}

/** Takes three seconds before it waits for connections, and sleeps for each request. */
export function startSlowScaled(
  place: Workplace,
  requestMs: number,
  options: readonly string[],
): Promise<ScaledPool> {
  const program = freshPath(place, 'sh');
  writeFileSync(program, `#!/bin/sh\nsleep 3\nexec ${compileC(fixture('plain-echo.c'))}\n`);
  chmodSync(program, 0o755);
  const params = { REQUEST_METHOD: 'GET', QUERY_STRING: `sleep=${requestMs}` };
  const asked = { params, isGood: (text: string) => text.includes(`GET sleep=${requestMs} `) };
  return startOurs(place, options, [program], asked);
}

type Asked = Pick<LoadedPool, 'params' | 'isGood'>;

async function startOurs(
  place: Workplace,
  options: readonly string[],
  program: readonly string[],
  asked: Asked,
): Promise<ScaledPool> {
  const socket = freshPath(place, 'sock');
  const own = ['-s', socket, '--state-dir', `${place.dir}/state`, '--log', freshPath(place, 'log')];
  const bounds = ['--workers', `1-${mostWorkers}`, '--idle-timeout', `${idleSeconds}s`];
  const [pid] = runToReturn(place, {
    file: place.ours,
    args: [...own, ...bounds, ...options, '--', ...program],
  }).pids;
  if (pid === undefined) throw new Error('the pool printed no PID');
  return { ...asked, socket, supervisor: pid, stop: () => stop(pid) };
}

/** Dynamic as Debian ships it. With more to spare it is quicker, and has more idle workers at any time. */
const ways = {
  'pm=dynamic': 'pm = dynamic\npm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = 3\n',
  'pm=ondemand': `pm = ondemand\npm.process_idle_timeout = ${idleSeconds}s\n`,
} as const;

async function startFpm(
  name: Exclude<ScaledName, 'ours'>,
  place: Workplace,
  asked: Asked,
): Promise<ScaledPool> {
  const path = place.peers['php-fpm']?.path;
  if (path === undefined) throw new Error('php-fpm is not installed');
  const [config, socket] = [freshPath(place, 'conf'), freshPath(place, 'sock')];
  const user = process.getuid?.() === 0 ? 'user = nobody\ngroup = nogroup\n' : '';
  const pool = `[bench]\nlisten = ${socket}\n${user}${ways[name]}pm.max_children = ${mostWorkers}\n`;
  writeFileSync(config, `[global]\nerror_log = ${freshPath(place, 'log')}\ndaemonize = no\n${pool}`);
  const { pid } = startInForeground({ file: path, args: ['-n', '-F', '-y', config] });
  const isUp = (): boolean => childrenOf(pid).length > 0 || name === 'pm=ondemand';
  await waitFor('php-fpm', isUp, { timeoutMs: 10_000 });
  return { ...asked, socket, supervisor: pid, stop: () => stop(pid) };
}

async function stop(supervisor: number): Promise<void> {
  const workers = childrenOf(supervisor);
  workers.forEach(remember);
  await endAll([supervisor]);
  await endAll(workers);
}
