// The root file system of a container: directories of its own, this machine's libraries and programs, and the package as
// npm installs it globally.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { findCommand, makeTempDir } from '../machine/index.ts';
import { oursPath } from '../pool/index.ts';
import { bind } from './runtime-config.ts';

export interface RootDirectory {
  path: string;
  mounts: readonly object[];
}

/** Whose tools are in PATH: this machine's with its /bin/sh, or BusyBox alone, as on Alpine. */
export type Tools = 'debian' | 'busybox';

const accounts = {
  passwd: [
    'root:x:0:0::/root:/bin/sh',
    'www-data:x:33:33::/:/bin/false',
    'nobody:x:65534:65534::/:/bin/false',
  ],
  group: ['root:x:0:', 'www-data:x:33:', 'nogroup:x:65534:'],
};
const installed = '/usr/local/lib/node_modules/spawn-fcgi';

export function makeRootDirectory(tools: Tools, node = process.execPath): RootDirectory {
  const path = makeTempDir();
  for (const name of ['dev', 'etc', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'usr'])
    fs.mkdirSync(join(path, name));
  fs.chmodSync(join(path, 'tmp'), 0o1777);
  for (const [name, lines] of Object.entries(accounts))
    fs.writeFileSync(join(path, 'etc', name), lines.map((line) => `${line}\n`).join(''));
  for (const name of ['lib', 'lib64', 'sbin']) fs.symlinkSync(`usr/${name}`, join(path, name));
  // Not in there: below a mount of /usr its path would lead to this machine's.
  const local = makeTempDir();
  installPackage(local);
  const mounts = [
    ...(tools === 'busybox' ? installBusybox(path) : useMachine(path)),
    bind('/usr/local', local, 'ro'),
    ...packageMounts(),
    bind('/usr/local/bin/node', node, 'ro'),
  ];
  return { path, mounts };
}

/** This machine's /usr, with a /usr/local of the container's own. */
function useMachine(path: string): object[] {
  fs.symlinkSync('usr/bin', join(path, 'bin'));
  return [bind('/usr', '/usr', 'ro')];
}

/** Nothing but BusyBox's applets, and the libraries that it and Node need. */
function installBusybox(path: string): object[] {
  const program = findCommand('busybox') ?? '/bin/busybox';
  const bin = join(path, 'usr/bin');
  for (const name of ['bin', 'lib', 'lib64', 'local', 'sbin']) fs.mkdirSync(join(path, 'usr', name));
  fs.copyFileSync(program, join(bin, 'busybox'));
  fs.symlinkSync('usr/bin', join(path, 'bin'));
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean);
  for (const name of applets) if (name !== 'busybox') fs.symlinkSync('busybox', join(bin, name));
  return [bind('/usr/lib', '/usr/lib', 'ro'), bind('/usr/lib64', '/usr/lib64', 'ro')];
}

/** The links of npm, and places for the mounts. */
function installPackage(local: string): void {
  const home = join(local, 'lib/node_modules/spawn-fcgi');
  for (const name of ['bin', 'dist', 'node_modules/koffi', 'node_modules/@koromix'])
    fs.mkdirSync(join(home, name), { recursive: true });
  fs.mkdirSync(join(local, 'bin'));
  fs.writeFileSync(join(local, 'bin/node'), '');
  for (const name of ['spawn-fcgi', 'spawn-fcgictl'])
    fs.symlinkSync(`../lib/node_modules/spawn-fcgi/bin/${name}`, join(local, 'bin', name));
}

/** The package's parts, without the Node that a checkout has for development. */
function packageMounts(): object[] {
  const checkout = dirname(dirname(fs.realpathSync(oursPath)));
  const modules = ['koffi', '@koromix'];
  return [
    ...['bin', 'dist'].map((name) => bind(`${installed}/${name}`, join(checkout, name), 'ro')),
    ...modules.map((name) =>
      bind(`${installed}/node_modules/${name}`, fs.realpathSync(join(checkout, 'node_modules', name)), 'ro'),
    ),
  ];
}
