// The control part of the .deb: what dpkg asks of it, its checksums and its scripts.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianName, version, type BuildFacts } from './build-facts.ts';
import type { Tree } from './tree.ts';

/** Of no host: set DEBFULLNAME and DEBEMAIL, as for any tool of Debian's. */
const maintainer = `${process.env['DEBFULLNAME'] ?? 'spawn-fcgi contributors'} <${process.env['DEBEMAIL'] ?? 'spawn-fcgi@example.invalid'}>`;

export function fullVersion(revision: string): string {
  return `${version}-${revision}`;
}

export function addControl(tree: Tree, facts: BuildFacts, revision: string): void {
  const installed = tree.files();
  const fields = {
    Package: debianName,
    Version: fullVersion(revision),
    Architecture: facts.debianArchitecture,
    Maintainer: maintainer,
    'Installed-Size': String(tree.installedKib()),
    Depends: describeLibraries(tree, installed).join(', '),
    // What asks for Debian's package (fcgiwrap does) gets the same command.
    Provides: 'spawn-fcgi',
    Section: 'web',
    Priority: 'optional',
    Description: `FastCGI process spawner and supervisor\n${longDescription(facts)}`,
  };
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  tree.write('DEBIAN/control', text.join(''));
  const sums = installed.map((path) => `${md5(join(tree.root, path))}  ${path}\n`);
  tree.write('DEBIAN/md5sums', sums.join(''));
  addScripts(tree);
}

function longDescription({ nodeVersion }: BuildFacts): string {
  return [
    ` A drop-in replacement for lighttpd's spawn-fcgi that supervises what it starts.`,
    ' Workers that end are replaced, releases are reloaded and programs replaced',
    ' without losing a request. spawn-fcgictl shows, reloads, scales and stops pools.',
    ' .',
    ` It brings its own Node.js (${nodeVersion}), for nobody else's use. The package`,
    ' spawn-fcgi may be installed beside it: update-alternatives chooses between',
    ' the two.',
  ].join('\n');
}

/** Each script is one file of dpkg's, with what they share in front. */
function addScripts(tree: Tree): void {
  const read = (name: string): string => readFileSync(join(import.meta.dirname, 'debian', name), 'utf8');
  for (const name of ['preinst', 'postinst', 'prerm', 'postrm'])
    tree.writeProgram(`DEBIAN/${name}`, `#!/bin/sh\nset -e\n\n${read('common.sh')}\n${read(name)}`);
  tree.write('DEBIAN/triggers', read('triggers'));
}

function md5(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}

/** GCC's release by the newest version of libstdc++'s symbols (GCC's manual of libstdc++, "ABI Policy and Guidelines"). */
const compilers: readonly (readonly [symbols: string, release: string])[] = [
  ['GLIBCXX_3.4.21', '5'],
  ['GLIBCXX_3.4.22', '6'],
  ['GLIBCXX_3.4.24', '7'],
  ['GLIBCXX_3.4.25', '8'],
  ['GLIBCXX_3.4.28', '9'],
  ['GLIBCXX_3.4.29', '11'],
  ['GLIBCXX_3.4.30', '12'],
  ['GLIBCXX_3.4.32', '13'],
  ['GLIBCXX_3.4.33', '14'],
];

/** What Node and koffi ask of the C and C++ libraries, as their dynamic sections say. */
function describeLibraries(tree: Tree, installed: readonly string[]): string[] {
  const binaries = installed
    .filter((path) => /\/node$|\.node$/.test(path))
    .map((path) => join(tree.root, path));
  const asked = execFileSync('readelf', ['--wide', '--version-info', ...binaries], { encoding: 'utf8' });
  const newest = (family: string): string =>
    [...asked.matchAll(new RegExp(`Name: ${family}_([\\d.]+)`, 'g'))]
      .map(([, found = '']) => found)
      .toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }))
      .at(-1) ?? '';
  const release = compilers.find(
    ([symbols]) => !isLater(newest('GLIBCXX'), symbols.slice('GLIBCXX_'.length)),
  );
  if (newest('GLIBC') === '' || release === undefined)
    throw new Error('readelf does not say what Node needs');
  return [`libc6 (>= ${newest('GLIBC')})`, 'libgcc-s1', `libstdc++6 (>= ${release[1]})`];
}

function isLater(one: string, other: string): boolean {
  return one.localeCompare(other, 'en', { numeric: true }) > 0;
}
