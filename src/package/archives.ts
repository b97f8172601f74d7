// The two files that come out of it: a .deb, and a tarball that is unpacked anywhere. The same content gives the same bytes.
import { execFileSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { debianName, project, version, type BuildFacts } from './build-facts.ts';
import { describeCopyright } from './copyright.ts';
import { layOutDebian } from './debian-tree.ts';
import { fullVersion } from './debian-control.ts';
import { addProgram } from './program-tree.ts';
import { completionFiles, manPages } from './shell-files.ts';
import { Tree } from './tree.ts';

export interface Choice {
  /** Where the files go. */
  readonly directory: string;
  /** Where the tree is laid out that goes into one. */
  readonly place: string;
  /** Of the .deb: another one of the same version of ours. */
  readonly revision: string;
  /** Nobody waits for the smallest file: for tests. */
  readonly isQuick: boolean;
}

export interface Archive {
  readonly path: string;
  readonly installedKib: number;
}

/** Xz takes half a minute of two processors to make 27 MB of Node's 104; any dpkg that has a Node to bring unpacks it. */
export function makeDebian(facts: BuildFacts, { directory, place, revision, isQuick }: Choice): Archive {
  const tree = layOutDebian(join(place, debianName), facts, revision);
  const path = join(directory, `${debianName}_${fullVersion(revision)}_${facts.debianArchitecture}.deb`);
  const compression = isQuick ? ['-Znone'] : ['-Zxz'];
  const options = ['--root-owner-group', ...compression, '--build', tree.root, path];
  run('dpkg-deb', options, { SOURCE_DATE_EPOCH: String(facts.seconds) });
  return { path, installedKib: tree.installedKib() };
}

/** For gzip, which is everywhere; a minimal Debian has no xz for tar. */
export function makeTarball(facts: BuildFacts, { directory, place, isQuick }: Choice): Archive {
  const name = `spawn-fcgi-${version}-linux-${facts.architecture}`;
  const tree = layOutTarball(join(place, name), facts);
  const path = join(directory, `${name}.tar.gz`);
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  const order = ['--sort=name', '--format=gnu', `--use-compress-program=gzip -n -${isQuick ? 1 : 9}`];
  run('tar', ['-C', dirname(tree.root), ...owner, ...order, '-cf', path, basename(tree.root)]);
  return { path, installedKib: tree.installedKib() };
}

function layOutTarball(root: string, facts: BuildFacts): Tree {
  const tree = new Tree(root, facts.seconds);
  addProgram(tree, '', facts);
  for (const part of ['docs', 'README.md', 'CHANGELOG.md']) tree.copy(join(project, part), part);
  tree.write('COPYRIGHT', describeCopyright(facts));
  for (const { from, section, name } of manPages()) tree.copy(from, `share/man/man${section}/${name}`);
  for (const { from, shell, name } of completionFiles()) tree.copy(from, `share/completion/${shell}/${name}`);
  tree.settle();
  return tree;
}

function run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): void {
  execFileSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...environment },
  });
}
