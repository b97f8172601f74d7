// The command lines of the programs compared: the same address, the same worker, the same number.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerReports } from './worker-reports.ts';
import { freshPath, type Workplace } from './workplace.ts';

export interface Command {
  file: string;
  args: string[];
}

export interface PoolWish {
  address: readonly string[];
  workers: number;
  reports: WorkerReports;
  /** Instead of the worker that only accepts. */
  program?: readonly string[];
}

function workerArgs(place: Workplace, wish: PoolWish): string[] {
  return [...(wish.program ?? [place.worker, wish.reports.file])];
}

function reference(place: Workplace): string {
  const peer = place.peers['1.6'];
  if (peer === undefined) throw new Error('spawn-fcgi 1.6 is not installed');
  return peer.path;
}

export function oursInBackground(place: Workplace, wish: PoolWish, further: readonly string[] = []): Command {
  const options = [...wish.address, '-F', String(wish.workers), '--state-dir', join(place.dir, 'state')];
  return { file: place.ours, args: [...options, ...further, '--', ...workerArgs(place, wish)] };
}

export function referenceInBackground(place: Workplace, wish: PoolWish): Command {
  const options = [...wish.address, '-F', String(wish.workers)];
  return { file: reference(place), args: [...options, '--', ...workerArgs(place, wish)] };
}

/** Workers that answer requests, instead of those that only accept. */
export interface ServingWish {
  address: readonly string[];
  workers: number;
  program: string;
}

export function oursServing(place: Workplace, wish: ServingWish, further: readonly string[] = []): Command {
  const options = [...wish.address, '-F', String(wish.workers), '--state-dir', join(place.dir, 'state')];
  return { file: place.ours, args: [...options, ...further, '--', wish.program] };
}

export function referenceServing(place: Workplace, wish: ServingWish): Command {
  const options = [...wish.address, '-F', String(wish.workers)];
  return { file: reference(place), args: [...options, '--', wish.program] };
}

/** -n with 1.6's options only: the process becomes the worker. */
export function execInPlace(file: string, place: Workplace, wish: PoolWish): Command {
  return { file, args: [...wish.address, '-n', '--', ...workerArgs(place, wish)] };
}

/** As its users run it: spawn-fcgi -n binds, multiwatch forks. */
export function multiwatch(place: Workplace, wish: PoolWish): Command {
  const path = place.peers.multiwatch?.path;
  if (path === undefined) throw new Error('multiwatch is not installed');
  // Its default gives a worker up after three deaths in ten seconds.
  const forks = ['-f', String(wish.workers), '-r', '1000000'];
  return {
    file: reference(place),
    args: [...wish.address, '-n', '--', path, ...forks, '--', ...workerArgs(place, wish)],
  };
}

/** The worker alone, as a shell runs it: `redirection` is shell text behind its command line. */
export function redirected(place: Workplace, wish: PoolWish, redirection: string): Command {
  return { file: '/bin/sh', args: ['-c', `${workerArgs(place, wish).join(' ')} ${redirection}`] };
}

/** One [fcgi-program], nothing else: no control socket, no event listener, a log only of what workers print. */
export function supervisord(place: Workplace, wish: PoolWish, outputFile = 'NONE'): Command {
  const path = place.peers.supervisord?.path;
  if (path === undefined) throw new Error('supervisord is not installed');
  const config = freshPath(place, 'conf');
  writeFileSync(config, supervisordConfig(place, wish, outputFile));
  return { file: path, args: ['-n', '-c', config] };
}

function supervisordConfig(place: Workplace, wish: PoolWish, outputFile: string): string {
  return `[supervisord]
logfile=/dev/null
logfile_maxbytes=0
pidfile=${freshPath(place, 'pid')}
childlogdir=${place.dir}
directory=${place.dir}

[fcgi-program:bench]
command=${workerArgs(place, wish).join(' ')}
socket=${supervisordSocket(wish.address)}
process_name=%(program_name)s_%(process_num)d
numprocs=${wish.workers}
autorestart=true
stdout_logfile=${outputFile}
stdout_logfile_maxbytes=0
stderr_logfile=NONE
`;
}

function supervisordSocket(address: readonly string[]): string {
  const value = (option: string): string | undefined => address[address.indexOf(option) + 1];
  return address.includes('-s') ? `unix://${value('-s')}` : `tcp://${value('-a')}:${value('-p')}`;
}
