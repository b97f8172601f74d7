// The bundle compiled ahead of time is a gain for one Node only; without it, or with a broken one, nothing changes.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { oursPath } from '../helpers/command-under-test.ts';
import { runCommand } from '../helpers/run-command.ts';
import { makeTempDir } from '../helpers/temp-dir.ts';

const checkout = dirname(dirname(oursPath));
const bundleId = readFileSync(join(checkout, 'dist/spawn-fcgi.cjs'), 'utf8').slice(2, 34);
const cacheName = `${bundleId}-${process.version}-${process.arch}.cache`;

/** A copy of what is installed: bin and dist, with the dependencies of the checkout. */
function install(): string {
  const place = makeTempDir();
  for (const part of ['bin', 'dist'])
    cpSync(join(checkout, part), join(place, part), { recursive: true, preserveTimestamps: true });
  symlinkSync(join(checkout, 'node_modules'), join(place, 'node_modules'));
  return place;
}

async function expectWorks(place: string): Promise<void> {
  const result = await runCommand(join(place, 'bin/spawn-fcgi'), ['-p', '75000', 'app']);
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(result.stderr).toContain('spawn-fcgi: invalid port: 75000\n');
}

/** Run by Node as the front runs it: the flags are part of V8's check. */
const isAccepted = `
const [bundlePath, cachePath] = process.argv.slice(1);
const { readFileSync } = require('node:fs');
const source = \`(function (require, module, exports, __filename) {\${readFileSync(bundlePath, 'utf8')}\\n})\`;
const { Script } = require('node:vm');
const script = new Script(source, { filename: 'spawn-fcgi.cjs', cachedData: readFileSync(cachePath) });
console.log(script.cachedDataRejected === false);
`;

test('the build makes one for this Node, and V8 accepts it', async () => {
  const [bundle, cache] = [join(checkout, 'dist/spawn-fcgi.cjs'), join(checkout, 'dist', cacheName)];
  expect(existsSync(cache)).toBe(true);
  const flags = ['--jitless', '--v8-pool-size=1', '--disable-sigusr1', '--expose-gc'];
  const result = await runCommand(process.execPath, [...flags, '-e', isAccepted, bundle, cache]);
  expect(result).toMatchObject({ status: 0, stdout: 'true\n' });
});

test('the command works with it', async () => {
  await expectWorks(install());
});

test('the command works without it', async () => {
  const place = install();
  for (const name of readdirSync(join(place, 'dist')))
    if (name.endsWith('.cache')) rmSync(join(place, 'dist', name));
  await expectWorks(place);
});

test('the command works with a broken one', async () => {
  const place = install();
  writeFileSync(join(place, 'dist', cacheName), 'no code');
  await expectWorks(place);
});

test('one of another bundle is not used, whatever the dates of the files', async () => {
  const place = install();
  const bundle = join(place, 'dist/spawn-fcgi.cjs');
  const changed = readFileSync(bundle, 'utf8').replaceAll('invalid port', 'INVALID PORT').slice(34);
  writeFileSync(bundle, `//${'0'.repeat(32)}${changed}`);
  const result = await runCommand(join(place, 'bin/spawn-fcgi'), ['-p', '75000', 'app']);
  expect(result.stderr).toContain('INVALID PORT');
});
