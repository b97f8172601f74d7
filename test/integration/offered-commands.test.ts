// Whom the scripts of the .deb believe to be a supervisor of root's: its command line they print for root to type. Their
// functions, under the shell that dpkg runs them with.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { formatPoolState, type PoolState } from '../../src/core/pool-state.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const functions = readFileSync(join(import.meta.dirname, '../../src/package/debian/common.sh'), 'utf8');

/** With the directory for /run/spawn-fcgi. */
async function run(command: string, stateDir = '/nowhere'): Promise<string> {
  const script = `set -e\n${functions.replaceAll('/run/spawn-fcgi', stateDir)}\n${command}\n`;
  const { status, stdout, stderr } = await machine.runCommand('sh', ['-c', script]);
  expect(stderr).toBe('');
  return `${stdout}${status}`;
}

test('a pool of root counts as that by its state, its workers and who had its PID before do not', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const name = '{"workers":["\\';
  const pool = await pools.start(place, ['-u', 'nobody', '--name', name, '-F', '2']);
  const userOf = (pid: number): Promise<string> => run(`find_other_user ${pid}`, place.stateDir);

  expect(await userOf(pool.pid)).toBe('0');
  const workers = pools.readPoolState(place)?.workers ?? [];
  expect(workers).toHaveLength(2);
  for (const worker of workers) expect(await userOf(worker.pid)).toBe('nobody\n0');

  const file = pools.poolFile(place, '.state');
  const text = readFileSync(file, 'utf8');
  const stateDir = machine.makeTempDir();
  writeFileSync(join(stateDir, 'before.state'), text.replaceAll(/("pid":\d+,"startTime":")/g, '$19'));
  expect(await run(`find_other_user ${pool.pid}`, stateDir)).toBe('nobody\n0');
});

test('a state names one supervisor, whatever stands in it', async () => {
  const { pid, startTime } = { pid: process.pid, startTime: machine.readStat(process.pid)?.startTime ?? '' };
  const own = { pid, startTime: String(startTime) };
  const state = (changes: Partial<PoolState>): string => {
    const other = {
      version: 1,
      phase: 'serving',
      name: 'app',
      address: '[::1]:9000',
      pid: 1,
      startTime: '1',
    };
    const rest = { sockets: ['1'], workerUid: 33, stopTimeoutMs: 1, workers: [], control: undefined };
    return formatPoolState({ ...other, ...rest, ...changes } as unknown as PoolState, 7);
  };
  const dir = machine.makeTempDir();
  const isFound = async (text: string): Promise<boolean> => {
    writeFileSync(join(dir, 'app.state'), `half":1}\n\n${text}\n\n${state({})}\n`);
    return (await run(`has_state ${pid} && echo yes || true`, dir)).startsWith('yes');
  };

  expect(await isFound(state(own))).toBe(true);
  expect(await isFound(state({ ...own, name: '{"a":[\\' }))).toBe(true);
  expect(await isFound(state({ ...own, startTime: `${own.startTime}0` }))).toBe(false);
  const forged = JSON.stringify(own).slice(1, -1);
  expect(await isFound(state({ name: `",${forged}` }))).toBe(false);
  expect(await isFound(state({ address: `\\",${forged},"` }))).toBe(false);
  for (const worker of [{ ...own }, { slot: 0, ...own }, { slot: 0, ...own, session: 7 }]) {
    expect(await isFound(state({ workers: [worker] }))).toBe(false);
    expect(await isFound(JSON.stringify(worker))).toBe(false);
  }
});

test('who has ended is left out', async () => {
  const { stdout } = await machine.runCommand('sh', ['-c', 'echo $$']);
  expect(await run(`find_other_user ${stdout.trim()} || echo out`)).toBe('out\n0');
});

test('a file that has a line of the listing in its name makes nobody a supervisor', async (ctx) => {
  machine.needRoot(ctx);
  const lib = machine.makeTempDir();
  const dir = machine.makeTempDir();
  writeFileSync(join(dir, 'spawn-fcgi'), 'echo up\nread line\n');
  const start = async (file: string, uid: number): Promise<number> => {
    mkdirSync(dirname(file), { recursive: true });
    copyFileSync('/bin/sh', file);
    // A shell, whose script has the name; the room of a supervisor's command line is behind it.
    const argv0 = '/usr/local/bin/app';
    const child = spawn(file, ['spawn-fcgi', '-s', '/run/x', ''], { cwd: dir, uid, gid: uid, argv0 });
    machine.atEnd(() => machine.stopProcess(child.pid ?? 0));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return child.pid ?? 0;
  };
  const program = join(lib, 'node_modules/node/bin/node');
  const listed = (): Promise<string> => run(`lib=${lib} command=/nowhere; list_pools`);
  const pool = await start(program, 0);
  const expected = `  PID ${pool}: ${lib}/bin/spawn-fcgi --replace -s /run/x\n0`;
  expect(await listed()).toBe(expected);

  const forge = (pid: string): Promise<number> =>
    start(join(dir, `a\nlink /proc/${pid}/exe -> `, program), machine.NOBODY);
  const roots = await start(join(dir, 'other'), 0);
  await forge(String(roots));
  await forge(`${roots}/cwd/evil`);
  const evil = join(dir, 'evil');
  mkdirSync(evil);
  symlinkSync('/', join(evil, 'root'));
  symlinkSync(program, join(evil, 'exe'));
  writeFileSync(join(evil, 'cmdline'), ['x', 'spawn-fcgi', '-s', '/run/evil', '', ''].join('\0'));
  writeFileSync(join(evil, 'status'), 'Uid:\t0\t0\n');
  expect(await listed()).toBe(expected);
});
