// `npm run package`: a .deb and a tarball that bring their own Node, in dist/package, and how large they are.
import { rmSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDebian, makeTarball, type Archive, type Choice } from './archives.ts';
import { gatherFacts, project, type BuildFacts } from './build-facts.ts';

const kinds = { deb: makeDebian, tarball: makeTarball };
type Kind = keyof typeof kinds;

const usage = `npm run package [-- OPTIONS] [deb] [tarball]
  --output DIRECTORY  where to put them, default dist/package
  --revision N        of the .deb, default 1: the part of its version behind ours
  --quick             hardly compressed, for a try`;

try {
  main();
} catch (error) {
  console.error(`package: ${explain(error as NodeJS.ErrnoException)}`);
  process.exitCode = 1;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: 'string', default: join(project, 'dist/package') },
      revision: { type: 'string', default: '1' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const unknown = positionals.find((name) => !(name in kinds));
  if (unknown !== undefined) throw new Error(`'${unknown}' is neither deb nor tarball`);
  if (values.help) {
    console.log(usage);
    return;
  }
  const directory = resolve(values.output);
  const choice = { directory, revision: values.revision, isQuick: values.quick };
  const chosen = (positionals.length > 0 ? positionals : Object.keys(kinds)) as Kind[];
  const facts = gatherFacts();
  for (const kind of chosen) report(make(kind, facts, choice), facts);
}

/** The tree that is packed goes at the end, whether that came or not. */
function make(kind: Kind, facts: BuildFacts, choice: Omit<Choice, 'place'>): Archive {
  const place = join(choice.directory, 'tree');
  // Whoever builds may have a umask that packages must not have.
  process.umask(0o022);
  try {
    return kinds[kind](facts, { ...choice, place });
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function report({ path, installedKib }: Archive, { nodeVersion }: BuildFacts): void {
  const size = megabytes(statSync(path).size);
  console.log(
    `${relative('', path)}: ${size}, installed ${megabytes(installedKib * 1024)}, Node ${nodeVersion}`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function explain({ code, syscall = '', message }: NodeJS.ErrnoException): string {
  const [, command] = /^spawnSync (\S+)$/.exec(syscall) ?? [];
  if (code !== 'ENOENT' || command === undefined) return message;
  const from: Record<string, string> = { strip: 'binutils', readelf: 'binutils', 'dpkg-deb': 'dpkg' };
  return `needs ${command}, of the package ${from[command] ?? command}`;
}
