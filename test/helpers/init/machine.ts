// A machine for init scripts: PID and mount namespaces with a /run and a /srv of their own, an /etc that may be written,
// and ours or 1.6 in /usr/bin. Its first process reaps, as an init does. Everything in it ends with the test.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { TestContext } from 'vitest';
import { fixture } from '../build/index.ts';
import * as machine from '../machine/index.ts';
import { oursPath, referencePath, startForeground } from '../pool/index.ts';

export interface InitMachine {
  /** Its file system, seen from here. */
  root: string;
  /** Runs a shell script in it, which is no part of any command line there. */
  run(script: string, timeoutMs?: number): Promise<machine.RunResult>;
  /** Starts a program that stays until the machine ends. */
  keep(script: string): void;
  /** Command lines of what runs in it, but for its first processes and what `run` started. */
  processes(): string[];
  /** PIDs as the machine counts them, in order. */
  pidsOf(comm: string): number[];
}

export interface MachineOptions {
  command?: 'ours' | '1.6';
  /** Executable files by path, in /etc, /run or /srv. */
  files?: Record<string, string>;
  /** A network of its own, of which it has the loopback device: all ports are free. */
  hasOwnNetwork?: boolean;
}

/** Longer than any test. */
const MOST_MS = 120_000;
const searchPath = `${dirname(oursPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

/** What every machine needs; Debian's command is there to be covered by ours. */
export function needMachine(ctx: TestContext, ...commands: string[]): void {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', 'nsenter', 'mount', 'bash', referencePath, ...commands);
  const hasOverlay = readFileSync('/proc/filesystems', 'utf8').includes('\toverlay\n');
  ctx.skip(!hasOverlay, 'needs the overlay file system (modprobe overlay)');
}

/** Covers nothing of the real machine: mounts are private to the namespace. A checkout in /srv is carried along. */
const setUp = `set -e
mount -t tmpfs -o mode=755 tmpfs /run
case $3 in /srv/*) mount --rbind /srv /mnt ;; esac
mount -t tmpfs -o mode=755 tmpfs /srv
case $3 in /srv/*) mkdir -p "$3"; mount --bind "/mnt/\${3#/srv/}" "$3"; umount -l /mnt ;; esac
mkdir -p /run/lock /run/init/etc /run/init/work /run/init/bin
mount -t overlay -o lowerdir=/etc,upperdir=/run/init/etc,workdir=/run/init/work overlay /etc
cp "$2" /srv/cgi-echo.sh; chmod 755 /srv/cgi-echo.sh
if [ -n "$1" ]; then
  for name in spawn-fcgi spawn-fcgictl; do
    printf '#!/bin/sh\\nexec %s "$@"\\n' "\${1%/*}/$name" >/run/init/bin/$name
    chmod 755 /run/init/bin/$name
  done
  mount -t overlay -o lowerdir=/run/init/bin:/usr/bin overlay /usr/bin
fi
ip link set lo up 2>/dev/null || true
echo ready
sleep infinity &
wait`;

export async function startMachine({
  command = 'ours',
  files = {},
  hasOwnNetwork = false,
}: MachineOptions = {}): Promise<InitMachine> {
  const flags = ['--pid', '--fork', '--kill-child', '--mount', '--mount-proc', '--propagation', 'private'];
  const covering = command === 'ours' ? oursPath : '';
  const checkout = resolve(import.meta.dirname, '../../..');
  if (hasOwnNetwork) flags.push('--net');
  const words = ['bash', '-c', setUp, 'init', covering, fixture('cgi-echo.sh'), checkout];
  const running = startForeground([...flags, ...words], { command: 'unshare', env: { PATH: searchPath } });
  await machine
    .waitFor('the machine', () => running.stdout() === 'ready\n')
    .catch((cause: unknown) => {
      throw new Error(`no machine: ${running.stderr()}`, { cause });
    });
  const [init = 0] = machine.childrenOf(running.pid);
  const startTime = machine.readStat(init)?.startTime ?? 0;
  // With the first process the kernel kills all others.
  machine.atEnd(() => machine.signalProcess(init, startTime, 'SIGKILL'));
  const root = `/proc/${init}/root`;
  const namespaces = ['--mount', '--pid', ...(hasOwnNetwork ? ['--net'] : [])];
  const enter = ['--target', String(init), ...namespaces, '--', 'bash', '-s'];
  const run = (input: string, timeoutMs = 30_000): Promise<machine.RunResult> =>
    machine.runCommand('nsenter', enter, { input, timeoutMs, env: { PATH: searchPath } });
  const host: InitMachine = {
    root,
    run,
    keep(script) {
      void run(script, MOST_MS);
    },
    processes: () => processesIn(root).map(({ words: own }) => own),
    pidsOf: (comm) =>
      processesIn(root)
        .filter((one) => one.comm === comm)
        .map(({ pid }) => pid),
  };
  for (const [path, text] of Object.entries(files)) {
    const { status, stderr } = await run(
      `mkdir -p '${dirname(path)}' && cat >'${path}' <<'END_OF_FILE'\n${text}\nEND_OF_FILE\nchmod 755 '${path}'`,
    );
    if (status !== 0) throw new Error(`${path}: ${stderr}`);
  }
  return host;
}

/**
 * PIDs of fcgiwrap's supervisors and workers in order, once there are `count`, none of them one of `ended`. What a worker
 * has forked for a request is called as it is for a moment.
 */
export function poolOn(host: InitMachine, ended: readonly number[] = [], count = 3): Promise<number[]> {
  return machine.waitFor(
    `${count} processes of the pool`,
    () => {
      const pids = leadersOf(host, 'fcgiwrap');
      return pids.length === count && !pids.some((pid) => ended.includes(pid)) && pids;
    },
    { timeoutMs: 20_000 },
  );
}

/** Without those in the session of another one of the same name. */
function leadersOf({ root }: InitMachine, comm: string): number[] {
  const all = processesIn(root).filter((one) => one.comm === comm);
  const pids = new Set(all.map(({ pid }) => pid));
  return all.filter(({ pid, session }) => session === pid || !pids.has(session)).map(({ pid }) => pid);
}

/** Kills one of the pool; who looks at it the next moment may find it alive otherwise. */
export async function killOn(host: InitMachine, pid: number | undefined): Promise<void> {
  await host.run(`kill -9 ${pid}`);
  await machine.waitFor('its end', () => !host.pidsOf('fcgiwrap').some((one) => one === pid));
}

export function emptyMachine(host: InitMachine): Promise<true> {
  return machine.waitFor('the end of all processes of a pool', () => host.processes().length === 0);
}

interface Inhabitant {
  pid: number;
  session: number;
  comm: string;
  words: string;
}

/** The first process, its sleep, and what comes in from outside (parent 0) are the test's own. */
function processesIn(root: string): Inhabitant[] {
  return readdirSync(`${root}/proc`)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const read = (file: string): string => readFileSync(`${root}/proc/${name}/${file}`, 'utf8');
        const [, comm = '', state = '', parent = '', session] =
          /\((.*)\) (\S) (\d+) \d+ (\d+)/.exec(read('stat')) ?? [];
        const words = read('cmdline').replaceAll('\0', ' ').trim();
        if (parent === '0' || state === 'Z' || words === 'sleep infinity') return [];
        return [{ pid: Number(name), session: Number(session), comm, words }];
      } catch {
        return [];
      }
    })
    .toSorted((a, b) => a.pid - b.pid);
}
