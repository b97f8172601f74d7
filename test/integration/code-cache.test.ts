// What makes starts faster changes nothing else: the bundles compiled ahead of time for one Node, and the one of half
// the size for -n in 1.6's sense.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand, makeTempDir } from '../helpers/machine/index.ts';
import { oursPath } from '../helpers/pool/index.ts';

const checkout = dirname(dirname(oursPath));
const bundles = ['spawn-fcgi.cjs', 'in-place.cjs'];

function cacheOf(bundle: string): string {
  const id = readFileSync(join(checkout, 'dist', bundle), 'utf8').slice(2, 34);
  return `${id}-${process.version}-${process.arch}.cache`;
}

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
  await expectBecomes(place);
}

async function expectBecomes(place: string): Promise<void> {
  const socket = join(place, 'a.sock');
  const command = ['-n', '-s', socket, '--', '/bin/echo', 'became', '--supervise'];
  const result = await runCommand(join(place, 'bin/spawn-fcgi'), command);
  expect(result).toMatchObject({ status: 0, stdout: 'became --supervise\n', stderr: '' });
  rmSync(socket);
}

/** Run by Node as the front runs it: the flags are part of V8's check. */
const isAccepted = `
const [bundlePath, cachePath] = process.argv.slice(1);
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const script = new Script(readFileSync(bundlePath, 'latin1'), { filename: require('node:path').basename(bundlePath), cachedData: readFileSync(cachePath) });
console.log(script.cachedDataRejected === false);
`;

test.for(bundles)('the build makes one of %s for this Node, and V8 accepts it', async (name) => {
  const [bundle, cache] = [join(checkout, 'dist', name), join(checkout, 'dist', cacheOf(name))];
  expect(existsSync(cache)).toBe(true);
  const flags = [
    '--jitless',
    '--v8-pool-size=1',
    '--no-rehash-snapshot',
    '--min-semi-space-size=4',
    '--disable-sigusr1',
    '--expose-gc',
  ];
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
  for (const name of bundles) writeFileSync(join(place, 'dist', cacheOf(name)), 'no code');
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

/** The name of the bundle that was run. */
async function bundleOf(...args: readonly string[]): Promise<string> {
  const place = install();
  for (const name of bundles)
    writeFileSync(join(place, 'dist', name), `() => (console.log('${name}'), process.exit())`);
  return (await runCommand(join(place, 'bin/spawn-fcgi'), args, { cwd: place })).stdout.trim();
}

test.for([
  ['-n -s a.sock -- app --supervise -F 4', 'in-place.cjs'],
  ['-ns a.sock -u nobody -M 0660 app', 'in-place.cjs'],
  ['-n -F 2 -s a.sock -- app', 'spawn-fcgi.cjs'],
  ['-nF2 -s a.sock -- app', 'spawn-fcgi.cjs'],
  ['-n --supervise -s a.sock -- app', 'spawn-fcgi.cjs'],
  ['-s a.sock -- app', 'spawn-fcgi.cjs'],
  ['-v', 'spawn-fcgi.cjs'],
] as const)('the command line %j is for %s', async ([line, bundle]) => {
  expect(await bundleOf(...line.split(' '))).toBe(bundle);
});

test('a supervisor that does not look like one at a glance is left to the whole bundle', async () => {
  const place = install();
  writeFileSync(join(place, 'dist/spawn-fcgi.cjs'), "() => (console.log('whole'), process.exit(3))");
  // Here -- is the value of -d, and what follows is an option.
  const command = ['-n', '-s', 'a.sock', '-d', '--', '--supervise', '/bin/true'];
  const result = await runCommand(join(place, 'bin/spawn-fcgi'), command, { cwd: place });
  expect(result).toMatchObject({ status: 3, stdout: 'whole\n', stderr: '' });
  expect(existsSync(join(place, 'a.sock'))).toBe(false);
});
