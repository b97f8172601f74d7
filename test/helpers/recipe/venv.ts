// The virtual environment of the recipe, built by the page's own commands once for each requirements file and Python,
// and kept in node_modules/.cache. Tests get a copy that every user can read.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach } from 'vitest';
import { missing, makeTempDir } from '../machine/index.ts';
import { blocksOf, recipeDir, settingsBlock } from '../pages/index.ts';
import { startShell } from './shell.ts';

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache/recipe-venv');
const python = '/usr/bin/python3';
/** pip loads a few packages from its index, which may be slow. */
const BUILD_TIMEOUT_MS = 300_000;

/**
 * Called at the top of a test file: makes a virtual environment before its tests, or lets all of them skip with the
 * reason. The returned function gives its directory.
 */
export function useVenv(): () => string {
  let venv = '';
  let reason = missing({ root: true, commands: ['nginx', 'httperf', 'curl', 'pgrep'] }) ?? missingPython();
  beforeAll(async () => {
    if (reason !== undefined) return;
    try {
      venv = await makeVenv();
    } catch (error) {
      reason = `needs TurboGears and flup: ${error instanceof Error ? error.message : String(error)}`;
    }
  }, BUILD_TIMEOUT_MS + 30_000);
  beforeEach(({ skip }) => skip(reason !== undefined, reason));
  return () => venv;
}

/** Debian's Python leaves venv to a package. */
function missingPython(): string | undefined {
  if (!fs.existsSync(python)) return `needs ${python}`;
  const hasVenv = spawnSync(python, ['-c', 'import venv, ensurepip']).status === 0;
  return hasVenv ? undefined : `needs venv for ${python}`;
}

/** A copy where every user can read it, for this test file. */
async function makeVenv(): Promise<string> {
  const venv = join(makeTempDir('venv-'), 'venv');
  fs.cpSync(await buildVenv(), venv, { recursive: true, verbatimSymlinks: true });
  return venv;
}

/** The same without some of its packages, named as in site-packages. */
export function venvWithout(venv: string, packages: readonly string[]): string {
  const poorer = join(makeTempDir('venv-'), 'venv');
  const [version = ''] = fs.readdirSync(join(venv, 'lib'));
  const modules = join('lib', version, 'site-packages');
  fs.mkdirSync(join(poorer, modules), { recursive: true });
  for (const name of ['bin', 'pyvenv.cfg']) fs.symlinkSync(join(venv, name), join(poorer, name));
  for (const name of fs.readdirSync(join(venv, modules))) {
    if (!packages.includes(name)) fs.symlinkSync(join(venv, modules, name), join(poorer, modules, name));
  }
  return poorer;
}

async function buildVenv(): Promise<string> {
  const commands = blocksOf('The virtual environment')
    .map((block) => block.commands)
    .join('');
  const built = join(cacheDir, keyOf(commands));
  if (fs.existsSync(built)) return built;
  // Another run may build the same: only the rename is shared.
  const unfinished = `${built}.${process.pid}`;
  const shell = startShell({ env: process.env, cwd: '/' });
  await shell.run(`umask 022\n${settingsBlock({ VENV: unfinished, RECIPE: recipeDir })}`);
  const { output, failures } = await shell.run(commands, BUILD_TIMEOUT_MS);
  if (failures.length > 0) {
    fs.rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`${failures.join(', ')}: ${output.slice(-1000)}`);
  }
  fs.renameSync(unfinished, built);
  return built;
}

function keyOf(commands: string): string {
  const requirements = fs.readFileSync(join(recipeDir, 'requirements.txt'), 'utf8');
  const { stdout } = spawnSync(python, ['-VV'], { encoding: 'utf8' });
  return createHash('sha256')
    .update(JSON.stringify([commands, requirements, stdout]))
    .digest('hex')
    .slice(0, 16);
}
