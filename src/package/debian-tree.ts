// Where Debian has what the package brings: commands, units, pages, completions, documents.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { debianName, project, type BuildFacts } from './build-facts.ts';
import { addControl, fullVersion } from './debian-control.ts';
import { describeCopyright } from './copyright.ts';
import { completionFiles, manPages } from './shell-files.ts';
import { addProgram } from './program-tree.ts';
import { Tree } from './tree.ts';

const library = 'usr/lib/spawn-fcgi';
const documents = `usr/share/doc/${debianName}`;

/** Everything but the archive itself, below `root`. */
export function layOutDebian(root: string, facts: BuildFacts, revision: string): Tree {
  const tree = new Tree(root, facts.seconds);
  addProgram(tree, library, facts);
  // /usr/bin/spawn-fcgi is made by update-alternatives.
  tree.link('../lib/spawn-fcgi/bin/spawn-fcgictl', 'usr/bin/spawn-fcgictl');
  addUnits(tree);
  addShellFiles(tree);
  addDocuments(tree, facts, revision);
  tree.makeDirectory('etc/spawn-fcgi');
  addControl(tree, facts, revision);
  tree.settle();
  return tree;
}

/** By the name that is ours whichever alternative is chosen. */
function addUnits(tree: Tree): void {
  const units = readdirSync(join(project, 'docs/systemd')).filter((name) =>
    /\.(?:service|socket|timer)$/.test(name),
  );
  for (const name of units) {
    const text = readFileSync(join(project, 'docs/systemd', name), 'utf8');
    tree.write(`usr/lib/systemd/system/${name}`, text.replaceAll('/usr/local/bin/', `/${library}/bin/`));
  }
}

function addShellFiles(tree: Tree): void {
  for (const { from, section, name } of manPages()) {
    // The other package has one of this name, too: it goes with the command that is chosen.
    const own = name === 'spawn-fcgi.1' ? 'spawn-fcgi.node.1' : name;
    tree.write(`usr/share/man/man${section}/${own}.gz`, compress(readFileSync(from)));
  }
  for (const { from, shell, name } of completionFiles()) {
    const place = {
      bash: 'usr/share/bash-completion/completions',
      zsh: 'usr/share/zsh/vendor-completions',
      fish: 'usr/share/fish/vendor_completions.d',
    }[shell];
    tree.copy(from, join(place, name));
  }
}

function addDocuments(tree: Tree, facts: BuildFacts, revision: string): void {
  tree.copy(join(project, 'docs'), join(documents, 'docs'));
  tree.copy(join(project, 'README.md'), join(documents, 'README.md'));
  tree.write(join(documents, 'copyright'), describeCopyright(facts));
  tree.write(join(documents, 'changelog.gz'), compress(readFileSync(join(project, 'CHANGELOG.md'))));
  tree.write(join(documents, 'changelog.Debian.gz'), compress(describeRelease(facts, revision)));
  tree.writeProgram(join(documents, 'examples/init.d/app'), initScript());
  tree.write(`usr/share/lintian/overrides/${debianName}`, overrides);
}

/** As deb-changelog(5) has it. */
function describeRelease({ seconds }: BuildFacts, revision: string): string {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
  const what = '  * Made by npm run package; changelog.gz has what is new.';
  const head = `${debianName} (${fullVersion(revision)}) unstable; urgency=medium`;
  return `${head}\n\n${what}\n\n -- spawn-fcgi contributors <spawn-fcgi@example.invalid>  ${date}\n`;
}

/** The one of the page on init scripts, for a program of one's own. */
function initScript(): string {
  const page = readFileSync(join(project, 'docs/init-scripts.md'), 'utf8');
  const [, script] = /^```sh debian\n([^]*?)^```$/m.exec(page) ?? [];
  if (script === undefined) throw new Error('docs/init-scripts.md has no script for Debian');
  return script;
}

/** The same bytes each time: no name and no time in it. */
function compress(content: string | Buffer): Buffer {
  return gzipSync(content, { level: 9 });
}

const overrides = `# Node.js as npm has it, with its libraries in it; it is for nobody else's use.
${debianName}: embedded-library
${debianName}: diversion-for-unknown-file
`;
