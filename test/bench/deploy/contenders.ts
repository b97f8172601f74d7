// Each way of a deploy: how its pool of four is started, what a deploy of it is, and who is left to end.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { childrenOf, isAlive } from '../../helpers/machine/processes.ts';
import { waitFor } from '../../helpers/machine/wait-for.ts';
import * as commands from '../commands.ts';
import { startFpm, untilOthers } from '../php.ts';
import { startInForeground } from '../pool.ts';
import { endAll, refuseWhileEnding, remember } from '../processes-started.ts';
import { freshPath, freshReports, type Workplace } from '../workplace.ts';

const workers = 4;

export interface DeployPool {
  readonly socketPath: string;
  deploy(): Promise<void>;
  end(): Promise<void>;
}

export type DeployPoolStart = (place: Workplace, program: readonly string[]) => Promise<DeployPool>;

export const reloadedOurs: DeployPoolStart = async (place, program) => {
  const socketPath = freshPath(place, 'sock');
  const wish = { address: ['-s', socketPath], workers, program, reports: freshReports(place) };
  const [supervisor = 0] = await untilStarted(commands.oursInBackground(place, wish));
  const ctl = `${place.ours}ctl`;
  const args = ['--state-dir', `${place.dir}/state`, 'reload', String(supervisor)];
  return { socketPath, deploy: () => order(ctl, args), end: () => endTree(supervisor) };
};

/** `kill $(cat PIDFILE)`, and the same command again until it succeeds. */
export const restartedReference: DeployPoolStart = async (place, program) => {
  const socketPath = freshPath(place, 'sock');
  const wish = { address: ['-s', socketPath], workers, program, reports: freshReports(place) };
  const command = commands.referenceInBackground(place, wish);
  let pids = await untilStarted(command);
  const deploy = async (): Promise<void> => {
    await tell('TERM', ...pids);
    pids = await untilStarted(command);
  };
  return { socketPath, deploy, end: () => endAll(pids) };
};

/** The same, in the foreground: it has succeeded when multiwatch has its workers. */
export const restartedMultiwatch: DeployPoolStart = async (place, program) => {
  const socketPath = freshPath(place, 'sock');
  const wish = { address: ['-s', socketPath], workers, program, reports: freshReports(place) };
  const start = (): Promise<number> => untilWatched(commands.multiwatch(place, wish));
  let pid = await start();
  const deploy = async (): Promise<void> => {
    childrenOf(pid).forEach(remember);
    await tell('TERM', pid);
    pid = await start();
  };
  return { socketPath, deploy, end: () => endTree(pid) };
};

async function untilWatched(command: commands.Command): Promise<number> {
  for (;;) {
    const { pid } = startInForeground(command);
    const isUp = await waitFor(
      'multiwatch to start its workers, or to be refused',
      () => (childrenOf(pid).length === workers ? 'up' : !isAlive(pid) && 'refused'),
      { intervalMs: 1 },
    );
    if (isUp === 'up') return pid;
  }
}

/** `restart NAME:*` stops all, then starts all; or each after the other. */
export function restartedSupervisord(isOneByOne: boolean): DeployPoolStart {
  return async (place, program) => {
    const socketPath = freshPath(place, 'sock');
    const wish = { address: ['-s', socketPath], workers, program, reports: freshReports(place) };
    const { file, args } = commands.supervisord(place, wish);
    const config = args.at(-1) ?? '';
    writeFileSync(config, `\n${controlOf(freshPath(place, 'sock'))}`, { flag: 'a' });
    const { pid } = startInForeground({ file, args });
    await waitFor('workers of supervisord', () => childrenOf(pid).length === workers);
    const ctl = file.replace(/d$/, 'ctl');
    const names = Array.from({ length: workers }, (_unused, slot) => `bench:bench_${slot}`);
    const deploy = async (): Promise<void> => {
      childrenOf(pid).forEach(remember);
      for (const name of isOneByOne ? names : ['bench:*']) await order(ctl, ['-c', config, 'restart', name]);
    };
    return { socketPath, deploy, end: () => endTree(pid) };
  };
}

function controlOf(socketPath: string): string {
  return `[unix_http_server]
file=${socketPath}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://${socketPath}
`;
}

/** Its own PHP, reloaded by USR2; `patience` is its process_control_timeout. */
export function reloadedFpm(patience?: string): DeployPoolStart {
  return async (place) => {
    const settings = patience === undefined ? '' : `process_control_timeout = ${patience}\n`;
    const { pid, socketPath } = startFpm(place, workers, settings);
    let children = await untilOthers(pid, workers, []);
    const deploy = async (): Promise<void> => {
      await tell('USR2', pid);
      children = await untilOthers(pid, workers, children);
    };
    return { socketPath, deploy, end: () => endTree(pid) };
  };
}

/** Again and again while the old ones still have the socket. */
async function untilStarted(command: commands.Command): Promise<number[]> {
  for (;;) {
    const { status, text } = await run(command);
    if (status !== 0 && !text.includes('already in use')) throw new Error(`${command.file}: ${text}`);
    const pids = [...text.matchAll(/PID: (\d+)/g)].map((match) => Number(match[1]));
    pids.forEach(remember);
    if (status === 0) return pids;
  }
}

async function order(file: string, args: readonly string[]): Promise<void> {
  const { status, text } = await run({ file, args: [...args] });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: status ${status}\n${text}`);
}

/** By another process, as operators do: at a moment that has nothing to do with what the clients here are just at. */
function tell(signal: string, ...pids: readonly number[]): Promise<void> {
  return order('/bin/kill', [`-${signal}`, ...pids.map(String)]);
}

/** Not by spawnSync: the clients are in this process. 1.6's workers have /dev/null, so that its output ends. */
async function run({ file, args }: commands.Command): Promise<{ status: number | null; text: string }> {
  refuseWhileEnding();
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve).once('error', reject);
  });
  return { status, text };
}

async function endTree(pid: number): Promise<void> {
  const children = childrenOf(pid);
  children.forEach(remember);
  await endAll([pid]);
  await endAll(children);
}
