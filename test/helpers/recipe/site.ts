// A site made by the commands of docs/turbogears.md, in a directory and on ports of its own.
import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import * as machine from '../machine/index.ts';
import { blocksOf, recipeDir, settingsBlock } from '../pages/index.ts';
import { oursPath, printedPids, stopPool } from '../pool/index.ts';
import { startShell, type Ran } from './shell.ts';
import { send, type Message, type Reply } from '../web/index.ts';

/** Where root's pools keep their lock and state; what stays there of pools that were killed is ours to remove. */
const STATE_DIR = '/run/spawn-fcgi';

/** The sections that put everything in place and start nothing. */
const PREPARATION = ['Settings', 'The project', 'The glue', 'nginx'];

export interface RecipeSite {
  settings: Readonly<Record<'NGINX' | 'PROJECTBASE' | 'PROJECTNAME' | 'LOGS' | 'HOST', string>>;
  /** nginx listens here. */
  sitePort: number;
  poolPort: number;
  /** PROJECT.fcgi. */
  script: string;
  /** Types commands, which may fail, into the site's shell. */
  type(commands: string): Promise<Ran>;
  /** Types everything under these headings, none of which may fail; returns what it printed. */
  follow(...sections: string[]): Promise<string>;
  get(path: string): Promise<Reply>;
  ask(message: Message): Promise<Reply>;
  /** What is in a log so far. */
  log(name: 'stderr.log' | 'stdout.log' | 'nginx'): string;
  /** Living processes that the site's shell has started; nginx writes over its environment, and so over the mark. */
  processes(): number[];
}

export interface RecipeOptions {
  settings?: Record<string, string>;
  /** What starts the site's shell. */
  wrapper?: readonly string[];
}

/** Everything that comes before the start of the pool. */
export async function prepareSite(venv: string, wanted: RecipeOptions = {}): Promise<RecipeSite> {
  const dir = machine.makeTempDir();
  const [sitePort, poolPort] = [await machine.freePort(), await machine.freePort()];
  const settings = {
    NGINX: join(dir, 'nginx'),
    SITEPORT: String(sitePort),
    PROJECTNAME: 'wiki20',
    PROJECTBASE: join(dir, 'project'),
    LOGS: join(dir, 'logs'),
    VENV: venv,
    HOST: '127.0.0.1',
    PORT: String(poolPort),
    RECIPE: recipeDir,
    ...wanted.settings,
  };
  const mark = randomUUID();
  machine.atEnd(() => endEverything(mark, settings.NGINX, poolPort));
  const path = `${dirname(oursPath)}:${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;
  const shell = startShell({
    env: machine.withMark({ ...process.env, PATH: path }, mark),
    cwd: dir,
    wrapper: wanted.wrapper ?? [],
  });

  async function follow(...sections: string[]): Promise<string> {
    let printed = '';
    for (const { commands } of sections.flatMap((section) => blocksOf(section))) {
      const { output, failures } = await shell.run(commands);
      expect(failures, `${commands}${output}`).toEqual([]);
      printed += output;
    }
    return printed;
  }

  const ask = (message: Message): Promise<Reply> => send(sitePort, message);
  const site: RecipeSite = {
    settings,
    sitePort,
    poolPort,
    script: join(settings.NGINX, 'scripts', `${settings.PROJECTNAME}.fcgi`),
    type: (commands) => shell.run(commands),
    follow,
    get: (path_) => ask({ path: path_, query: '' }),
    ask,
    log: (name) =>
      readText(name === 'nginx' ? join(settings.NGINX, 'logs/error.log') : join(settings.LOGS, name)),
    processes: () => machine.markedProcesses(mark).filter((pid) => pid !== shell.pid),
  };
  expect((await shell.run(settingsBlock(settings))).failures).toEqual([]);
  await follow(...PREPARATION);
  return site;
}

export interface RunningSite extends RecipeSite {
  /** The supervisor's PID. */
  supervisor: number;
}

/** The same with the pool and nginx up. */
export async function startRecipe(
  venv: string,
  wanted: RecipeOptions & { workers?: number } = {},
): Promise<RunningSite> {
  const site = await prepareSite(venv, wanted);
  const started = await site.type(recipeStart(wanted.workers));
  const [supervisor] = printedPids(started.output);
  if (supervisor === undefined) throw new Error(started.output);
  await site.type(`SUPERVISOR=${supervisor}`);
  await site.follow('Start nginx');
  return { ...site, supervisor };
}

/** Gives one of the glue's settings another value, as somebody would in an editor. */
export function setInGlue({ script }: RecipeSite, name: string, value: string): void {
  const before = readFileSync(script, 'utf8');
  const after = before.replace(new RegExp(`^${name} = '.*?'`, 'm'), `${name} = '${value}'`);
  expect(after).not.toBe(before);
  writeFileSync(script, after);
}

/** The page's command that starts the pool, with more workers if asked for. */
export function recipeStart(workers?: number): string {
  const command = blocksOf('Start the pool')[0]?.commands ?? '';
  return workers === undefined ? command : command.replace('spawn-fcgi', `spawn-fcgi -F ${workers}`);
}

/** The worker that has made a page of the example project; undefined if this is none. */
export function pageWorker({ status, body }: Reply): number | undefined {
  const pid = /^<p>\w+ mode, worker (\d+)<\/p>$/m.exec(body)?.[1];
  return status === 200 && pid !== undefined ? Number(pid) : undefined;
}

export async function expectPage(site: RecipeSite, path = '/wiki/'): Promise<number> {
  const reply = await site.get(path);
  const pid = pageWorker(reply);
  expect(pid, `${reply.status} ${reply.body}\n${site.log('stderr.log')}${site.log('nginx')}`).toBeTypeOf(
    'number',
  );
  return pid ?? 0;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function endEverything(mark: string, nginxDir: string, poolPort: number): Promise<void> {
  // nginx writes its title over its environment, and so over the mark.
  const nginx = Number(readText(join(nginxDir, 'logs/nginx.pid')));
  if (nginx > 0) await stopPool([nginx]);
  await machine.waitFor('the end of the site', () => {
    machine.killMarkedProcesses(mark);
    return machine.markedProcesses(mark).length === 0;
  });
  for (const name of namesIn(STATE_DIR)) {
    if (name.includes(`:${poolPort}.`)) rmSync(join(STATE_DIR, name), { force: true });
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
