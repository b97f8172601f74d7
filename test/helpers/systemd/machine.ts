// Boots this machine's systemd as PID 1 of namespaces, on a copy of this machine's root whose changes are in memory
// (test/fixtures/systemd-machine.sh), and runs commands there. Everything in it ends with its first process.
import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { TestContext } from 'vitest';
import { fixture } from '../build/index.ts';
import * as machine from '../machine/index.ts';
import { startForeground } from '../pool/index.ts';

export interface SystemdMachine {
  /** Its file system, seen from here. */
  root: string;
  /** Runs a shell script in it, as root and outside of every unit. */
  run(script: string, timeoutMs?: number): Promise<machine.RunResult>;
  /** The same; what it printed, or throws unless it succeeded. */
  ok(script: string, timeoutMs?: number): Promise<string>;
  /** Writes a file, and the directories above it. */
  write(path: string, text: string | Buffer, mode?: number): void;
  /** The PID that we have for one of its processes. */
  pidHere(pid: number): number;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const CGROUP2_MAGIC = 0x63677270;
/** The unified hierarchy, beside the old ones or alone. */
const hierarchies = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'];

/** Why systemd cannot be booted here, if so. */
export function whyNoSystemd(...commands: string[]): string | undefined {
  const needed = ['/lib/systemd/systemd', 'unshare', 'nsenter', 'ip', ...commands];
  const isHere = unifiedHierarchy() !== undefined;
  return (
    machine.missing({ root: true, commands: needed }) ??
    (isHere ? undefined : 'needs a cgroup2 hierarchy in which groups can be made')
  );
}

export function needSystemd(ctx: TestContext, ...commands: string[]): void {
  const reason = whyNoSystemd(...commands);
  ctx.skip(reason !== undefined, reason);
}

/** Once for a test file: boots in about half a second, and is gone when the file has ended. */
export async function bootSystemd(): Promise<SystemdMachine> {
  const hierarchy = unifiedHierarchy();
  if (hierarchy === undefined) throw new Error('no cgroup2 hierarchy');
  const group = fs.mkdtempSync(join(hierarchy, 'spawn-fcgi-test-'));
  fs.chmodSync(group, 0o755);
  machine.atEnd(() => removeGroup(group));
  const checkout = resolve(import.meta.dirname, '../../..');
  const running = startForeground([checkout, group], { command: fixture('systemd-machine.sh') });
  let hasEnded = false;
  void running.ended.then(() => (hasEnded = true));
  const orFail = <T>(value: T): T => {
    if (hasEnded) throw new Error(`systemd does not come up: ${running.stderr()}`);
    return value;
  };
  const init = await machine.waitFor('systemd', () => orFail(machine.childrenOf(running.pid)[0]));
  const startTime = machine.readStat(init)?.startTime ?? 0;
  // With the first process the kernel kills all others.
  machine.atEnd(() => machine.signalProcess(init, startTime, 'SIGKILL'));
  const host = hostOf(init);
  const isUp = async (): Promise<boolean> =>
    orFail((await host.run('systemctl is-system-running')).stdout === 'running\n');
  await machine.waitFor('systemd to be up', isUp, { intervalMs: 50, timeoutMs: 30_000 });
  return host;
}

function hostOf(init: number): SystemdMachine {
  const root = `/proc/${init}/root`;
  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--cgroup'];
  const enter = ['--target', String(init), ...namespaces, '--', 'bash', '-s'];
  const env = { PATH: path, HOME: '/root', LANG: 'C.UTF-8', TERM: 'dumb' };
  const run = (input: string, timeoutMs = 30_000): Promise<machine.RunResult> =>
    machine.runCommand('nsenter', enter, { input, timeoutMs, env });
  return {
    root,
    run,
    async ok(script, timeoutMs) {
      const { status, stdout, stderr } = await run(script, timeoutMs);
      if (status !== 0) throw new Error(`${script}: ${status}\n${stdout}${stderr}`);
      return stdout;
    },
    write(file, text, mode = 0o644) {
      fs.mkdirSync(join(root, dirname(file)), { recursive: true });
      fs.writeFileSync(join(root, file), text, { mode });
    },
    pidHere: (pid) => pidOutside(init, pid),
  };
}

/** By the PID namespace, in which numbers are unique. */
function pidOutside(init: number, pid: number): number {
  const namespaceOf = (outer: number): string => fs.readlinkSync(`/proc/${outer}/ns/pid`);
  const isIt = (outer: number): boolean =>
    machine.readProcess(outer)?.status['NSpid']?.split(/\s+/).at(-1) === String(pid) &&
    namespaceOf(outer) === namespaceOf(init);
  const found = machine.allStats().find(({ pid: outer }) => isIt(outer));
  if (!found) throw new Error(`the machine has no process ${pid}`);
  return found.pid;
}

function unifiedHierarchy(): string | undefined {
  return hierarchies.find((dir) => isUnified(dir) && canMakeGroup(dir));
}

function isUnified(dir: string): boolean {
  try {
    return fs.statfsSync(dir).type === CGROUP2_MAGIC;
  } catch {
    return false;
  }
}

/** In a container it may be mounted read-only. */
function canMakeGroup(dir: string): boolean {
  try {
    fs.accessSync(dir, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A killed process leaves its cgroup a moment later. */
async function removeGroup(group: string): Promise<void> {
  await machine.waitFor(`the end of all in ${group}`, () => isRemovedTree(group), {
    intervalMs: 20,
    timeoutMs: 30_000,
  });
}

function isRemovedTree(dir: string): boolean {
  const areGone = groupsIn(dir).map((name) => isRemovedTree(join(dir, name)));
  return areGone.every(Boolean) && machine.isRemoved(dir);
}

/** None in one that is just being removed. */
function groupsIn(dir: string): string[] {
  try {
    const entries = fs.readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}
