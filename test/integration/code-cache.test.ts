// The bundle compiled ahead of time is a gain for one Node only; without it, or with a broken one, nothing changes.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
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

test('the build makes one for this Node, and V8 accepts it', () => {
  expect(existsSync(join(checkout, 'dist', cacheName))).toBe(true);
  const bundle = readFileSync(join(checkout, 'dist/spawn-fcgi.cjs'), 'utf8');
  const source = `(function (require, module, exports, __filename) {${bundle}\n})`;
  setFlagsFromString('--expose-gc');
  const script = new Script(source, {
    filename: 'spawn-fcgi.cjs',
    cachedData: readFileSync(join(checkout, 'dist', cacheName)),
  });
  expect(script.cachedDataRejected).toBe(false);
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
