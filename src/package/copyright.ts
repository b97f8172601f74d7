// The licences of all that is in a package: ours, Node's (which names those of its libraries), koffi's, the bundles'.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { project, type BuildFacts } from './build-facts.ts';

/** Bundled into dist/spawn-fcgi.cjs and dist/spawn-fcgictl.cjs. */
const bundled = ['commander', 'pidusage'];

export function describeCopyright({ nodePackage, nodeVersion }: BuildFacts): string {
  const parts = [
    ['spawn-fcgi', readLicence(project)],
    ...bundled.map((name) => [name, readLicence(join(project, 'node_modules', name))]),
    ['execa, and what it needs (dist/other-programs.cjs)', licencesInBundle()],
    ['koffi (koffi.node)', readLicence(join(project, 'node_modules/koffi'))],
    ...['node-addon-api', 'node-api-headers'].map((name) => [
      `${name} (in koffi.node)`,
      readLicence(join(project, 'node_modules/koffi/vendor', name)),
    ]),
    [`Node.js ${nodeVersion}, and the libraries in it`, readLicence(nodePackage)],
  ];
  const head = 'The programs and libraries in this package, each with its licence.\n';
  return [
    head,
    ...parts.map(([name = '', text = '']) => `${name}\n${'='.repeat(name.length)}\n\n${text.trim()}\n`),
  ].join('\n');
}

function readLicence(directory: string): string {
  const [name] = globSync('LICEN[CS]E*', { cwd: directory });
  if (name === undefined) throw new Error(`${directory} has no licence`);
  return readFileSync(join(directory, name), 'utf8');
}

/** The build put them at its end. */
function licencesInBundle(): string {
  const bundle = readFileSync(join(project, 'dist/other-programs.cjs'), 'utf8');
  const [, text] = /\n\/\*\n([^]*?)\n\*\/\s*$/.exec(bundle.slice(bundle.lastIndexOf('\n/*\n'))) ?? [];
  if (text === undefined) throw new Error('dist/other-programs.cjs has no licences at its end');
  return text;
}
