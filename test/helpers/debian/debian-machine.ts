// A machine that runs a minimal Debian in namespaces, on a copy in memory of the root that debootstrap made. Its first
// process reaps, as an init does. Everything in it ends with the test.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { TestContext } from 'vitest';
import * as machine from '../machine/index.ts';
import { startForeground } from '../pool/index.ts';
import { makeDebianRoot } from './debian-root.ts';
import { compileApp, type MadePackages } from './packages.ts';

export interface DebianMachine {
  /** Its file system, seen from here. */
  root: string;
  /** Runs a shell script in it, as root. */
  run(script: string): Promise<machine.RunResult>;
  /** The same; what it printed on both streams, or throws unless it succeeded. */
  ok(script: string): Promise<string>;
  /** Copies a file into it, and the directories above it. */
  bring(from: string, path: string): void;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const environment = {
  PATH: path,
  HOME: '/root',
  TERM: 'dumb',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
};

export function needDebian(ctx: TestContext): void {
  machine.needRoot(ctx);
  machine.needCommands(
    ctx,
    'unshare',
    'nsenter',
    'mount',
    'chroot',
    'debootstrap',
    'dpkg-deb',
    'strip',
    'gcc',
  );
  const hasOverlay = readFileSync('/proc/filesystems', 'utf8').includes('\toverlay\n');
  ctx.skip(!hasOverlay, 'needs the overlay file system (modprobe overlay)');
}

const setUp = `set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir="$1",upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
cd /mnt/root
mount -t proc proc proc
mount --rbind /dev dev
for name in run tmp; do mount -t tmpfs -o mode=1777 tmpfs $name; done
exec chroot . /bin/bash -c 'echo ready; sleep infinity & wait'`;

/** Has our packages in /srv, Debian's spawn-fcgi as /srv/spawn-fcgi.deb, and a FastCGI program, /usr/local/bin/app. */
export async function startDebian(packages: MadePackages): Promise<DebianMachine> {
  const { root: lower, referencePackage } = makeDebianRoot();
  const flags = ['--pid', '--fork', '--kill-child', '--mount', '--propagation', 'private', '--ipc', '--uts'];
  const running = startForeground([...flags, 'bash', '-c', setUp, 'debian', lower], { command: 'unshare' });
  await machine
    .waitFor('Debian', () => running.stdout() === 'ready\n')
    .catch((cause: unknown) => {
      throw new Error(`no Debian: ${running.stderr()}`, { cause });
    });
  const [init = 0] = machine.childrenOf(running.pid);
  const startTime = machine.readStat(init)?.startTime ?? 0;
  // With the first process the kernel kills all others.
  machine.atEnd(() => machine.signalProcess(init, startTime, 'SIGKILL'));
  const root = `/proc/${init}/root`;
  const enter = [
    '--target',
    String(init),
    '--mount',
    '--pid',
    '--ipc',
    '--uts',
    '--root',
    '--wd',
    '--',
    'bash',
    '-s',
  ];
  const run = (input: string): Promise<machine.RunResult> =>
    machine.runCommand('nsenter', enter, { input, timeoutMs: 60_000, env: environment });
  const bring = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  bring(referencePackage, '/srv/spawn-fcgi.deb');
  for (const file of packages.all) bring(file, join('/srv', basename(file)));
  bring(compileApp(), '/usr/local/bin/app');
  return {
    root,
    run,
    bring,
    ok: async (script) => succeeded(script, await run(`exec 2>&1\nset -e\n${script}`)),
  };
}

function succeeded(script: string, { status, stdout }: machine.RunResult): string {
  if (status !== 0) throw new Error(`${status} of ${script}:\n${stdout}`);
  return stdout;
}
