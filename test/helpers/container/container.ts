// A container: started by crun, its first process seen from outside, commands in it, signals to it, and its end.
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import * as machine from '../machine/index.ts';
import { startForeground, type ForegroundPool } from '../pool/index.ts';
import { makeRootDirectory, type Tools } from './root-directory.ts';
import { describeContainer, type ContainerSettings } from './runtime-config.ts';

export interface ContainerOptions extends ContainerSettings {
  /** This machine's without it. */
  tools?: Tools;
}

export interface Container {
  /** Its PID 1, as it is seen from outside. */
  pid: number;
  stdout: () => string;
  stderr: () => string;
  ended: ForegroundPool['ended'];
  /** As `docker exec`: as the container's user, or another one. */
  exec: (args: readonly string[], user?: number) => Promise<machine.RunResult>;
  /** As `docker kill --signal`. */
  kill: (signal: string) => Promise<void>;
  /** As `docker update --memory`, swap included. */
  limitMemory: (mebibytes: number) => Promise<void>;
  /** All processes in it, zombies included. */
  processes: () => machine.Stat[];
}

/**
 * crun refuses a machine that has cgroups of both versions while it sees the second one's hierarchy: it is hidden from
 * crun, in a mount namespace.
 */
const hiding = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';
const hidden = ['--mount', '--propagation', 'private', 'sh', '-c', hiding, 'sh', 'crun'];
let count = 0;
/** Why this machine makes no containers, once it was asked. */
let refusal: { reason: string | undefined } | undefined;

/** Skips where there are no containers. */
export function needContainers(ctx: TestContext, ...commands: string[]): void {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'crun', 'unshare', 'nsenter', ...commands);
  refusal ??= { reason: findRefusal() };
  ctx.skip(refusal.reason !== undefined, refusal.reason);
}

function findRefusal(): string | undefined {
  const { id, dir, words } = makeBundle({ args: ['true'] });
  const { status, stderr } = spawnSync('unshare', words('run', '--bundle', dir, id), { encoding: 'utf8' });
  return status === 0 ? undefined : `crun makes no container here: ${stderr.split('\n', 1)[0]}`;
}

/** What crun needs, and its command lines behind `unshare`. */
function makeBundle(options: ContainerOptions): {
  id: string;
  dir: string;
  words: (...args: string[]) => string[];
} {
  const dir = machine.makeTempDir();
  const id = `spawn-fcgi-test-${process.pid}-${(count += 1)}`;
  const root = makeRootDirectory(options.tools ?? 'debian');
  writeFileSync(join(dir, 'config.json'), JSON.stringify(describeContainer(options, root, `/${id}`)));
  const crun = ['--root', join(dir, 'state'), '--cgroup-manager', 'cgroupfs'];
  const words = (...args: string[]): string[] => [...hidden, ...crun, ...args];
  machine.atEnd(async () => {
    await machine.runCommand('unshare', words('delete', '--force', id));
  });
  return { id, dir, words };
}

export async function startContainer(options: ContainerOptions): Promise<Container> {
  const { id, dir, words } = makeBundle(options);
  const run = (...args: string[]): Promise<machine.RunResult> =>
    machine.runCommand('unshare', words(...args));
  const must = async (...args: string[]): Promise<void> => {
    const { status, stderr } = await run(...args);
    if (status !== 0) throw new Error(`crun ${args.join(' ')}: ${stderr}`);
  };
  const pidFile = join(dir, 'pid');
  const running = startForeground(words('run', '--bundle', dir, '--pid-file', pidFile, id), {
    command: 'unshare',
  });
  const pid = await machine
    .waitFor('the container', () => readPid(pidFile))
    .catch((cause: unknown) => {
      throw new Error(`no container: ${running.stderr()}`, { cause });
    });
  const namespace = namespaceOf(pid);
  return {
    ...running,
    pid,
    exec: (args, user = options.user?.uid ?? 0) => run('exec', '--user', `${user}:${user}`, id, ...args),
    kill: (signal) => must('kill', id, signal),
    limitMemory(mebibytes) {
      const bytes = mebibytes << 20;
      return must('update', `--memory=${bytes}`, `--memory-swap=${bytes}`, id);
    },
    processes: () => machine.allStats().filter((stat) => namespaceOf(stat.pid) === namespace),
  };
}

function readPid(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

/** Zombies have one, too. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}
