// What docs/turbogears.md says about things that go wrong: each of them, and that the reader finds the reason in the
// log that the page names.
import { chmodSync, chownSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { atEnd, NOBODY, waitFor } from '../helpers/machine/index.ts';
import { blocksOf, pageSays } from '../helpers/pages/index.ts';
import { printedPids } from '../helpers/pool/index.ts';
import * as recipes from '../helpers/recipe/index.ts';

const venv = recipes.useVenv();

/** Settings of the glue, each with the line in stderr.log. */
const wrongSettings: readonly (readonly [name: string, value: string, line: string])[] = [
  ['code_dir', '', 'code_dir is not set'],
  ['code_dir', 'wiki20', "code_dir is 'wiki20': it has to be a full path"],
  [
    'code_dir',
    '/nowhere/wiki20',
    "code_dir is wrong: [Errno 2] No such file or directory: '/nowhere/wiki20'",
  ],
  ['code_dir', '/etc/hosts', "code_dir is wrong: [Errno 20] Not a directory: '/etc/hosts'"],
  ['root_class', '', 'root_class is not set'],
  ['root_class', 'Root', "root_class is 'Root': it has to be fully qualified"],
  ['root_class', '.Root', "root_class is '.Root': it has to be fully qualified"],
  ['root_class', 'wiki20.controllers.', "root_class is 'wiki20.controllers.': it has to be fully qualified"],
  [
    'root_class',
    'wiki21.controllers.Root',
    "root_class is 'wiki21.controllers.Root': there is no wiki21 in ",
  ],
  [
    'root_class',
    'wiki20.control.Root',
    "root_class is 'wiki20.control.Root': there is no wiki20.control in ",
  ],
  ['root_class', 'wiki20.controllers.Rot', 'controllers.py has no Rot'],
  ['virtual_path', 'wiki', "virtual_path is 'wiki': it has to begin with /"],
  ['virtual_path', '/wiki/', "virtual_path is '/wiki/': it has to begin with / and not to end with it"],
];

describe('a wrong setting is reported in stderr.log and by status 78', () => {
  test.for(wrongSettings)("%s = '%s'", async ([name, value, line]) => {
    const site = await recipes.prepareSite(venv());
    recipes.setInGlue(site, name, value);
    await expectGivesUp(site, 78, line);
    expect(pageSays(`\`${name} …\``)).toBeTruthy();
  });

  test('a configuration file without its section', async () => {
    const site = await recipes.prepareSite(venv());
    writeFileSync(join(site.settings.PROJECTBASE, 'prod.cfg'), 'debug = false\n');
    await expectGivesUp(site, 78, 'prod.cfg has to be an INI file with a section [global]');
  });

  test('a log_dir that does not exist, in the code directory if nobody may write there', async () => {
    const site = await recipes.prepareSite(venv());
    const { PROJECTBASE } = site.settings;
    recipes.setInGlue(site, 'log_dir', '/nowhere/logs');
    chownSync(PROJECTBASE, NOBODY, NOBODY);
    await site.type(recipes.recipeStart());
    await waitFor('the reason', () =>
      readText(join(PROJECTBASE, 'stderr.log')).includes(
        'log_dir is wrong: no log can be written in /nowhere/logs',
      ),
    );
  });
});

describe('the logs', () => {
  test('are in the code directory when log_dir is empty', async () => {
    const site = await recipes.prepareSite(venv());
    const { PROJECTBASE } = site.settings;
    recipes.setInGlue(site, 'log_dir', '');
    chownSync(PROJECTBASE, NOBODY, NOBODY);
    await site.follow('Start the pool', 'Start nginx');
    await recipes.expectPage(site);
    expect(readText(join(PROJECTBASE, 'stdout.log'))).toContain('with prod.cfg');
    expect(readText(join(PROJECTBASE, 'stderr.log'))).toBe('');
  });

  test('that nobody may write are reported by status 73, and on the terminal when the script is run by hand', async () => {
    const site = await recipes.prepareSite(venv());
    const { LOGS, PROJECTBASE } = site.settings;
    chownSync(LOGS, 0, 0);
    await expectStatus(site, 73);
    const byHand = await runByHand(site);
    expect(byHand).toContain(`${pageSays('no log can be written in ')}${LOGS} as user nobody: [Errno 13]`);
    expect(byHand).toContain(`no log can be written in ${PROJECTBASE} as user nobody: [Errno 13]`);
    expect(readdirSync(LOGS)).toEqual([]);
  });
});

describe('a project that nobody cannot read is reported in stderr.log and by status 66', () => {
  test.for([
    ['its directory', '', 'code_dir cannot be read by user nobody: [Errno 13] Permission denied: '],
    ['its package', 'wiki20', '/wiki20 cannot be read by user nobody'],
    ['a module', 'wiki20/controllers.py', '/wiki20/controllers.py cannot be read by user nobody'],
    [
      'its configuration',
      'prod.cfg',
      'the configuration cannot be read by user nobody: [Errno 13] Permission denied: ',
    ],
  ] as const)('%s', async ([, path, line]) => {
    const site = await recipes.prepareSite(venv());
    chmodSync(join(site.settings.PROJECTBASE, path), 0o700);
    await expectGivesUp(site, 66, line);
    expect(pageSays('cannot be read by user nobody')).toBeTruthy();

    const { failures } = await site.type(`chmod -R a+rX \${PROJECTBASE}`);
    expect(failures).toEqual([]);
    await site.follow('Start the pool', 'Start nginx');
    await recipes.expectPage(site);
  });
});

describe('what is missing from the virtual environment is reported in stderr.log and by status 69', () => {
  test.for([
    ['flup', 'flup', 'flup is not installed in '],
    ['TurboGears', 'tg', 'TurboGears2 is not installed in '],
  ] as const)('%s', async ([, name, line]) => {
    const poorer = recipes.venvWithout(venv(), [name]);
    const site = await recipes.prepareSite(poorer);
    await expectGivesUp(site, 69, `${pageSays(line)}${poorer}`);
  });

  test('a package of the project itself', async () => {
    const site = await recipes.prepareSite(venv());
    writeFileSync(join(site.settings.PROJECTBASE, 'wiki20/controllers.py'), 'import sqlalchemy\n');
    await expectGivesUp(site, 69, `sqlalchemy is not installed in ${venv()}`);
  });
});

describe('the script', () => {
  test("reports the project's own mistake in stderr.log and by status 70", async () => {
    const site = await recipes.prepareSite(venv());
    writeFileSync(join(site.settings.PROJECTBASE, 'wiki20/controllers.py'), 'class Root:\n');
    await expectGivesUp(site, 70, 'wiki20.controllers.Root cannot be loaded: IndentationError');
    expect(site.log('stderr.log')).toContain('Traceback');
  });

  test('says that nothing is wrong when it is run by hand', async () => {
    const site = await recipes.prepareSite(venv());
    await runByHand(site);
    expect(site.log('stderr.log')).toContain(pageSays('descriptor 0 is no listening socket'));
  });

  test('that nobody cannot execute is reported by status 126, and on the terminal', async () => {
    const site = await recipes.prepareSite(venv());
    chmodSync(site.script, 0o700);
    await expectStatus(site, 126);
    expect(await runByHand(site)).toContain(pageSays('Permission denied'));
  });

  test('that names a Python that is not there is reported by status 127, and on the terminal', async () => {
    const site = await recipes.prepareSite('/nowhere/venv');
    await expectStatus(site, 127);
    expect(await runByHand(site)).toContain(pageSays('No such file or directory'));
  });
});

describe('a port that is taken is reported before anything is started', () => {
  test('by another program', async () => {
    const site = await recipes.prepareSite(venv());
    const server = createServer();
    atEnd(() => new Promise((resolve) => void server.close(() => resolve())));
    await new Promise<void>((resolve) => server.listen(site.poolPort, '127.0.0.1', resolve));
    const { output, failures } = await site.type(recipes.recipeStart());
    expect(failures).toEqual([expect.stringMatching(/^255 /)]);
    expect(output).toContain('spawn-fcgi: bind failed: Address already in use');
    expect(output).toContain(String(process.pid));
    expectNothingStarted(site);
  });

  test('by the same pool, which does not notice', async () => {
    const site = await recipes.startRecipe(venv());
    const worker = await recipes.expectPage(site);
    const log = site.log('stdout.log');
    const [again] = blocksOf('The port is taken', 'fails');
    const { output, failures } = await site.type(again?.commands ?? '');
    expect(failures).toEqual([expect.stringMatching(new RegExp(`^${pageSays('255')} `))]);
    expect(output).toContain(String(site.supervisor));
    expect(site.log('stdout.log')).toBe(log);
    expect(await recipes.expectPage(site)).toBe(worker);
  });
});

/** Not even a log has been opened. */
function expectNothingStarted(site: recipes.RecipeSite): void {
  expect(readdirSync(site.settings.LOGS)).toEqual([]);
}

/** Starts the pool in vain: the status, and the reason in the log. */
async function expectGivesUp(site: recipes.RecipeSite, status: number, line: string): Promise<void> {
  await expectStatus(site, status, async () => {
    await waitFor('the reason', () => site.log('stderr.log').includes(line)).catch((cause: unknown) => {
      throw new Error(`not the reason in stderr.log: ${site.log('stderr.log')}`, { cause });
    });
  });
}

/** On a slow machine the start succeeds, and the supervisor tries again and again; then the pool is stopped. */
async function expectStatus(
  site: recipes.RecipeSite,
  status: number,
  look: () => Promise<void> = async () => undefined,
): Promise<void> {
  pageSays(`| ${status} |`);
  const { output } = await site.type(recipes.recipeStart());
  await look();
  const [pid] = printedPids(output);
  if (pid === undefined) {
    expect(output).toContain(`spawn-fcgi: child exited with: ${status}\n`);
  } else {
    process.kill(pid, 'SIGTERM');
    await waitFor('the end of the pool', () => site.processes().length === 0);
  }
}

async function runByHand(site: recipes.RecipeSite): Promise<string> {
  const [look] = blocksOf('When it does not work', 'look');
  return (await site.type(look?.commands ?? '')).output;
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
