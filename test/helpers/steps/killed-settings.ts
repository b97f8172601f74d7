// Ways in which a pool is set up for the kills at every step: they differ in the system calls of a start and in who may
// undo them.
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileC, fixture } from '../build/index.ts';
import { freePort, runCommand, type RunOptions, type RunResult, NOBODY, waitFor } from '../machine/index.ts';
import { oursPath, startForeground, startPool, commandLine, makePlace, type Place } from '../pool/index.ts';

/** A place with everything that its pools have in common. */
export interface PoolPlace extends Place {
  /** Where a client connects. */
  readonly target: { readonly path: string } | { readonly host: string; readonly port: number };
  /** As spawn-fcgictl takes it. */
  readonly poolName: string;
  /** Worker PID files, one a slot. */
  readonly workerPidFiles: readonly string[];
  readonly staysInForeground: boolean;
  readonly caller: RunOptions;
  /** Arguments for lighttpd's command, as far as it knows what the setting wants. */
  readonly by16: readonly string[];
  /** Arguments of a start in the background, and of one as the setting has it. */
  readonly background: (further?: readonly string[]) => string[];
  readonly start: (further?: readonly string[]) => string[];
}

export interface Setting {
  readonly name: string;
  /** Whether a start gives up root, and so has a guard. */
  readonly drops: boolean;
  /** Whether the command is another process than the supervisor. */
  readonly hasCommand: boolean;
  readonly makePlace: () => Promise<PoolPlace>;
}

interface Features {
  readonly options?: readonly string[];
  readonly actions?: readonly string[];
  readonly isTcp?: boolean;
  readonly hasWorkerPidFiles?: boolean;
  readonly chroot?: 'socket inside' | 'socket outside';
  readonly hasStatusSocket?: boolean;
  readonly staysInForeground?: boolean;
  readonly isOrdinary?: boolean;
}

const dropped = ['-u', 'nobody', '-g', 'nogroup'];

export const settings: readonly Setting[] = [
  setting('a Unix socket and the caller as user', {}),
  setting('-u nobody in directories of root', {
    options: dropped,
    hasWorkerPidFiles: true,
    hasStatusSocket: true,
  }),
  setting('TCP, -u nobody and --ready probe', {
    options: [...dropped, '--ready', 'probe', '--ready-timeout', '15s'],
    actions: ['record'],
    isTcp: true,
    hasWorkerPidFiles: true,
  }),
  setting('-c and -u nobody', { options: dropped, chroot: 'socket inside' }),
  setting('-c -S and -u nobody', { options: dropped, chroot: 'socket outside', hasWorkerPidFiles: true }),
  setting('-n --supervise and -u nobody', { options: dropped, staysInForeground: true }),
  setting('TCP and --ready notify', {
    options: ['--ready', 'notify', '--ready-timeout', '15s'],
    actions: ['ready', 'serve'],
    isTcp: true,
  }),
  setting('an ordinary caller', { isOrdinary: true, hasWorkerPidFiles: true }),
];

function setting(name: string, features: Features): Setting {
  const drops = features.options?.includes('-u') === true;
  return { name, drops, hasCommand: !features.staysInForeground, makePlace: () => makePoolPlace(features) };
}

async function makePoolPlace(features: Features): Promise<PoolPlace> {
  const { options = [], actions = ['serve'], staysInForeground = false, isOrdinary = false } = features;
  const made = features.chroot === undefined ? makePlace() : makeRoot(makePlace(), features.chroot);
  const place: Place = { ...made, app: features.chroot === undefined ? made.app : '/app' };
  const port = features.isTcp === true ? await freePort() : undefined;
  const unixPath = features.chroot === 'socket inside' ? '/run/app.sock' : place.socket;
  const address = port === undefined ? ['-s', unixPath] : ['-a', '127.0.0.1', '-p', String(port)];
  const pattern = join(place.runDir, 'worker-%i.pid');
  const own = [
    '-P',
    place.pidFile,
    '-F',
    '2',
    '--settle',
    '100ms',
    ...(features.hasWorkerPidFiles === true ? ['--worker-pid-file', pattern] : []),
    ...(features.hasStatusSocket === true ? ['--status-socket', join(place.runDir, 'app.status')] : []),
    ...(features.chroot === undefined ? [] : ['-c', join(place.dir, 'root')]),
    ...(features.chroot === 'socket outside' ? ['-S'] : []),
    ...options,
  ];
  const background = (further: readonly string[] = []): string[] =>
    commandLine(place, [...own, ...further], actions, { address });
  if (isOrdinary) await runCommand('chown', ['-R', `${NOBODY}:${NOBODY}`, place.dir]);
  return {
    ...place,
    target: port === undefined ? { path: place.socket } : { host: '127.0.0.1', port },
    poolName: port === undefined ? place.socket : `127.0.0.1:${port}`,
    workerPidFiles:
      features.hasWorkerPidFiles === true ? ['0', '1'].map((slot) => pattern.replace('%i', slot)) : [],
    staysInForeground,
    by16: [
      ...address,
      '-P',
      place.pidFile,
      '-F',
      '2',
      ...(options.includes('-u') ? dropped : []),
      '--',
      place.app,
      `report=${place.report}`,
      ...actions,
    ],
    caller: isOrdinary ? { uid: NOBODY, gid: NOBODY } : {},
    background,
    start: (further = []) => background(staysInForeground ? ['-n', '--supervise', ...further] : further),
  };
}

/** A root directory with little more than the worker. */
function makeRoot(place: Place, socketIs: 'socket inside' | 'socket outside'): Place {
  const root = join(place.dir, 'root');
  mkdirSync(root);
  copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  writeFileSync(join(root, 'report'), '');
  chmodSync(join(root, 'report'), 0o666);
  const runDir = join(root, 'run');
  mkdirSync(runDir);
  const inside = { ...place, report: '/report' };
  if (socketIs === 'socket outside') return inside;
  return { ...inside, runDir, socket: join(runDir, 'app.sock'), pidFile: join(runDir, 'app.pid') };
}

/** Starts a pool and waits until it is up. */
export async function startIn(place: PoolPlace): Promise<{ pid: number }> {
  const how = { cwd: place.dir, ...place.caller };
  if (!place.staysInForeground) return startPool(place.start(), how);
  const pool = startForeground(place.start(), how);
  await waitFor('the pool in the foreground', () => pool.stdout().includes('spawned successfully'));
  return pool;
}

/** A start in the background, whatever comes of it. */
export function runIn(place: PoolPlace, further: readonly string[]): Promise<RunResult> {
  return runCommand(oursPath, place.background(further), {
    cwd: place.dir,
    ...place.caller,
    timeoutMs: 20_000,
  });
}
