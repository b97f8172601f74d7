// The package as npm installs it: everything that the two commands need is in it, npm's links to them work, and so does
// every version of Node that its manifest admits.
import { chmodSync, cpSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { installNode } from '../helpers/build/index.ts';
import { isRoot, makeTempDir, NOBODY, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const project = join(import.meta.dirname, '../..');
const quick = ['--settle', '50ms', '--min-uptime', '50ms'];
let prefix: string;

beforeAll(async () => {
  const dir = makeTempDir();
  prefix = join(dir, 'prefix');
  chmodSync(dir, 0o755);
  // dist/ is built already, and other tests use it.
  const packed = await npm(['pack', '--ignore-scripts', '--pack-destination', dir]);
  if (packed.status !== 0) throw new Error(packed.stderr);
  const file = readdirSync(dir).find((name) => name.endsWith('.tgz')) ?? '';
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--prefix', prefix];
  const installed = await npm(['install', '--global', ...options, join(dir, file)]);
  if (installed.status !== 0) throw new Error(installed.stderr);
});

function npm(args: readonly string[]): ReturnType<typeof runCommand> {
  // npm keeps compiled code in the temporary directory otherwise.
  return runCommand('npm', args, { cwd: project, env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' } });
}

/** Where other users may run it as well. */
function findNode(version: string): string {
  const node = join(makeTempDir(), 'bin/node');
  chmodSync(dirname(dirname(node)), 0o755);
  mkdirSync(dirname(node));
  cpSync(installNode(version), node);
  return node;
}

/** The last of each that is maintained. */
test.for(['22.23.3', '24.21.0', '26.10.0'])(
  'on Node %s a pool of another user starts, serves, reloads, is taken over, and stops, through the links of npm',
  { timeout: 120_000 },
  async (version) => {
    const node = findNode(version);
    const place = pools.makePlace();
    const env = { PATH: `${dirname(node)}:/usr/bin:/bin` };
    const as = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
    if (isRoot) for (const path of [place.dir, place.runDir]) chmodSync(path, 0o777);
    const command = (name: string, args: readonly string[]): ReturnType<typeof runCommand> =>
      runCommand(join(prefix, 'bin', name), args, { cwd: place.dir, env, ...as });
    const ctl = (...args: string[]): ReturnType<typeof runCommand> =>
      command('spawn-fcgictl', ['--state-dir', place.stateDir, ...args]);

    const line = pools.commandLine(place, ['-P', place.pidFile, ...quick]);
    const started = await command('spawn-fcgi', line);
    expect(started, started.stderr).toMatchObject({ status: 0, stderr: '' });
    const [pid = 0] = pools.printedPids(started.stdout);
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe(node);
    const first = await pools.onlyWorker({ pid });
    expect((await ctl('status', place.pidFile)).stdout).toContain('running');
    expect(await ctl('reload', place.pidFile)).toMatchObject({ status: 0 });
    const second = await pools.onlyWorker({ pid }, [first]);
    process.kill(second, 'SIGKILL');
    await pools.onlyWorker({ pid }, [first, second]);
    expect((await ctl('metrics', place.pidFile)).stdout).toMatch(/^spawn_fcgi_/m);
    await pools.visit({ path: place.socket });

    const taken = await command('spawn-fcgi', ['--replace', ...line]);
    expect(taken, taken.stderr).toMatchObject({ status: 0 });
    await waitFor('the end of the old pool', () => pools.workersOf({ pid }).length === 0);
    await pools.visit({ path: place.socket });
    expect(await ctl('stop', place.pidFile)).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
  },
);
