// What both packages have in one directory: the commands, their bundles, a Node and koffi's library for it.
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { project, type BuildFacts } from './build-facts.ts';
import type { Tree } from './tree.ts';

/** Puts it below `place` of the tree; bin/find-node.sh finds Node there as it does in a clone. */
export function addProgram(tree: Tree, place: string, facts: BuildFacts): void {
  tree.copy(join(project, 'bin'), join(place, 'bin'));
  for (const name of readdirSync(join(project, 'dist')))
    if (/\.(?:cjs|cache|html)$/.test(name)) tree.copy(join(project, 'dist', name), join(place, 'dist', name));
  const library = facts.nativePart.slice(join(project, 'node_modules').length);
  addStripped(tree, facts.nativePart, join(place, 'node_modules', library));
  addNode(tree, join(place, 'node_modules'), facts);
}

function addNode(tree: Tree, modules: string, { nodePackage, nodeVersion }: BuildFacts): void {
  const node = join(modules, 'node/bin/node');
  addStripped(tree, join(nodePackage, 'bin/node'), node);
  chmodSync(join(tree.root, node), 0o755);
  // Its version is read there, which spares running it.
  const manifest = { name: 'node', version: nodeVersion };
  tree.write(join(modules, 'node/package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  tree.link('../node/bin/node', join(modules, '.bin/node'));
}

/** Without symbols that only debuggers read: Node is 18 MB smaller so, and what addons need stays. */
function addStripped(tree: Tree, from: string, to: string): void {
  tree.copy(from, to);
  execFileSync('strip', ['--strip-unneeded', '--enable-deterministic-archives', join(tree.root, to)]);
}
