// What a package is made of: the project, its Node, the machine's architecture and the date that stands for all times.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };

export const project = join(import.meta.dirname, '../..');
export const version = manifest.version;
/** Debian has a package spawn-fcgi, which is to be installable beside it. */
export const debianName = 'spawn-fcgi-node';

/** Debian's names of the architectures for which npm has a Node and a koffi. */
const debianNames: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

export interface BuildFacts {
  /** As Node calls it. */
  readonly architecture: string;
  readonly debianArchitecture: string;
  /** Since 1970: what SOURCE_DATE_EPOCH of reproducible-builds.org means. */
  readonly seconds: number;
  /** npm's package of the Node that goes into ours. */
  readonly nodePackage: string;
  readonly nodeVersion: string;
  readonly nativePart: string;
}

export function gatherFacts(): BuildFacts {
  const architecture = process.arch;
  const debianArchitecture = debianNames[architecture];
  const nativePart = join(
    project,
    `node_modules/@koromix/koffi-linux-${architecture}/linux_${architecture}/koffi.node`,
  );
  if (debianArchitecture === undefined || !existsSync(nativePart))
    throw new Error(`there is no native part for ${architecture}: node_modules lacks ${nativePart}`);
  const nodePackage = findNodePackage(architecture);
  const { version: nodeVersion } = readJson(join(nodePackage, 'package.json'));
  return { architecture, debianArchitecture, seconds: sourceDate(), nodePackage, nodeVersion, nativePart };
}

/** npm puts it inside the package "node", or beside it. */
function findNodePackage(architecture: string): string {
  const name = `node-linux-${architecture}`;
  const places = [`node_modules/node/node_modules/${name}`, `node_modules/${name}`];
  const found = places
    .map((place) => join(project, place))
    .find((place) => existsSync(join(place, 'LICENSE')));
  if (found === undefined) throw new Error(`node_modules lacks ${name}, which the package "node" brings`);
  return found;
}

function sourceDate(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  try {
    const shown = execFileSync('git', ['log', '-1', '--format=%ct'], {
      cwd: project,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return Number(shown.trim());
  } catch {
    throw new Error('the date of the last commit is not known (no git, or no clone): set SOURCE_DATE_EPOCH');
  }
}

function readJson(path: string): { version: string } {
  return JSON.parse(readFileSync(path, 'utf8')) as { version: string };
}
