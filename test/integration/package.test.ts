// The package as npm installs it: everything that the two commands need is in it, and npm's links to them work.
import { chmodSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { isRoot, runCommand, makeTempDir, NOBODY } from '../helpers/machine/index.ts';
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

test('starts, shows and stops a pool through the links of npm, as another user', async () => {
  const place = pools.makePlace();
  // A Node that the other user may run as well.
  const env = { PATH: `${join(dirname(pools.oursPath), '../node_modules/.bin')}:/usr/bin:/bin` };
  const as = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) for (const path of [place.dir, place.runDir]) chmodSync(path, 0o777);
  const command = (name: string, args: readonly string[]): ReturnType<typeof runCommand> =>
    runCommand(join(prefix, 'bin', name), args, { cwd: place.dir, env, ...as });

  const started = await command('spawn-fcgi', pools.commandLine(place, ['-P', place.pidFile, ...quick]));
  expect(started, started.stderr).toMatchObject({ status: 0, timedOut: false });
  const [pid = 0] = pools.printedPids(started.stdout);
  await pools.onlyWorker({ pid });
  const control = ['--state-dir', place.stateDir];
  expect((await command('spawn-fcgictl', [...control, 'status', place.pidFile])).stdout).toContain('running');
  expect(await command('spawn-fcgictl', [...control, 'reload', place.pidFile])).toMatchObject({ status: 0 });
  await pools.visit({ path: place.socket });
  expect(await command('spawn-fcgictl', [...control, 'stop', place.pidFile])).toMatchObject({ status: 0 });
  await pools.expectNothingLeft(place);
});
