// docs/turbogears.md followed command by command: TurboGears and flup behind nginx.
import { appendFileSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { childrenOf, isAlive, readOpenFiles, waitFor } from '../helpers/machine/index.ts';
import { blocksOf, pageSays, readRecipe } from '../helpers/pages/index.ts';
import { printedPids } from '../helpers/pool/index.ts';
import * as recipes from '../helpers/recipe/index.ts';
import { fastcgiRequest } from '../helpers/web/index.ts';

/** Workers that are ended under a stream of requests, and the bounds of that stream. */
const ENDS = 4;
const REQUESTS_BETWEEN = 40;
const MOST_REQUESTS = 50_000;

const pages: recipes.Conversation = {
  messageNumber: (n) => ({ path: '/wiki/', query: `n=${n}` }),
  answeringPid: recipes.pageWorker,
};
const twoAddresses = '127.0.0.1 localhost\n::1 localhost\n';
const venv = recipes.useVenv();

describe('the page', () => {
  test('works from the first command to the last', async () => {
    const site = await recipes.prepareSite(venv());
    const printed = await followToTheEnd(site);

    expect(printed['Start the pool']).toMatch(/^spawn-fcgi: child spawned successfully: PID: \d+$/m);
    const look = printed['Look at it'] ?? '';
    expect(look).toContain('<h1>Hello from TurboGears</h1>');
    expect(look).toContain('<h1>Hello, Ada &amp; Grace</h1>');
    expect(look).toContain('font-family');
    expect(look).toContain('wiki20.controllers.Root with prod.cfg');
    expect(look.trimEnd().split('\n').at(-1)).toBe('404');
    const [worker, successor] = workersIn(look + printed['A worker dies']).slice(-2);
    expect(worker).toBeTypeOf('number');
    expect(successor).not.toBe(worker);
    expect(printed['The port is taken']).toMatch(/^spawn-fcgi: .*already in use/m);
    expect(printed['Deploy a change']).toContain('<h1>Good morning from TurboGears</h1>');
    expectGoodReport(printed['Load'] ?? '', 300);

    await waitFor('the end of the pool', () => site.processes().length === 0);
    await waitFor('the end of nginx', () => !existsSync(join(site.settings.NGINX, 'logs/nginx.pid')));
  });

  test('has one line of packages, which .ci/run installs', () => {
    const [block] = blocksOf('Packages', 'machine');
    const lines = block?.commands.match(/^apt-get install -y .*$/gm);
    expect(lines).toEqual([expect.stringMatching(/ python3-venv .* httperf$/)]);
  });
});

/** What each section prints. What comes before the start of the pool has been done. */
async function followToTheEnd(site: recipes.RecipeSite): Promise<Record<string, string>> {
  const printed: Record<string, string> = {};
  const blocks = readRecipe();
  const first = blocks.findIndex(({ section }) => section === 'Start the pool');
  for (const { section, kind, commands } of blocks.slice(first)) {
    if (kind !== 'run' && kind !== 'fails') continue;
    const { output, failures } = await site.type(commands);
    expect(failures, output).toHaveLength(kind === 'fails' ? 1 : 0);
    printed[section] = (printed[section] ?? '') + output;
  }
  return printed;
}

function workersIn(output: string): number[] {
  return [...output.matchAll(/worker (\d+)<\/p>/g)].map(([, pid]) => Number(pid));
}

/** httperf ends with 0 whatever happened: its report has to be read. */
function expectGoodReport(report: string, requests: number): void {
  const total = `Total: connections ${requests} requests ${requests} replies ${requests} `;
  expect(report).toContain(total);
  expect(report).toContain(`Reply status: 1xx=0 ${pageSays(`2xx=${requests}`)} 3xx=0 4xx=0 5xx=0`);
  expect(report).toContain(
    `Errors: ${pageSays('total 0')} client-timo 0 socket-timo 0 connrefused 0 connreset 0`,
  );
  expect(report).toContain('Errors: fd-unavail 0 addrunavail 0 ftab-full 0 other 0');
}

describe.for(['0.0.0.0', '127.0.0.1', 'localhost'])('HOST=%s', (host) => {
  test('is where the pool is reached, by nginx and directly', async () => {
    const site = await recipes.startRecipe(venv(), { settings: { HOST: host } });
    await recipes.expectPage(site);
    const answer = await fastcgiRequest({ host, port: site.poolPort }, paramsOf('/wiki/'));
    expect(answer.stdout).toContain('Hello from TurboGears');
    expect(answer.stderr).toBe('');
  });
});

/** As nginx sends them for a GET, fastcgi_index included. */
function paramsOf(path: string): Record<string, string> {
  return {
    REQUEST_METHOD: 'GET',
    QUERY_STRING: '',
    SCRIPT_NAME: path.endsWith('/') ? `${path}index` : path,
    REQUEST_URI: path,
    DOCUMENT_URI: path,
    SERVER_PROTOCOL: 'HTTP/1.1',
    SERVER_NAME: 'localhost',
    SERVER_PORT: '80',
  };
}

describe('nginx', () => {
  test('started before the pool serves files, and answers the rest by 502 until the pool is up', async () => {
    const site = await recipes.prepareSite(venv());
    const files = placeStaticFiles(site);
    await site.follow('Start nginx');
    for (const path of files)
      expect(await site.get(path), path).toEqual({ status: 200, body: `file ${path}` });
    expect((await site.get('/favicon.ico')).status).toBe(200);
    expect((await site.get('/wiki/')).status).toBe(502);
    expect(site.log('nginx')).toContain(pageSays('connect() failed (111: Connection refused)'));

    await site.follow('Start the pool');
    await recipes.expectPage(site);
  });

  test('may know localhost by two addresses, once it is told not to count failures', async () => {
    const site = await recipes.prepareSite(venv(), {
      settings: { HOST: 'localhost' },
      wrapper: withHosts(twoAddresses),
    });
    await site.follow('Start nginx');
    await waitFor('nginx to give up both addresses', async () => {
      expect((await site.get('/wiki/')).status).toBe(502);
      return site.log('nginx').includes(pageSays('no live upstreams'));
    });
    const [supervisor = 0] = printedPids(await site.follow('Start the pool'));
    await waitFor('an answer without asking the pool', async () => (await site.get('/wiki/')).status === 502);

    const old = childrenOf(Number(readFileSync(join(site.settings.NGINX, 'logs/nginx.pid'), 'utf8')));
    const [choice] = blocksOf('"localhost" with two addresses', 'choice');
    const reload = pageSays('nginx -p ${NGINX} -c conf/nginx.conf -e logs/error.log -s reload');
    const { output, failures } = await site.type(`${choice?.commands}${reload}`);
    expect(failures, output).toEqual([]);
    // Old processes of nginx take connections for a moment after the reload.
    await waitFor('the old processes of nginx to end', () => old.every((pid) => !isAlive(pid)));
    await waitFor('nginx to try again', async () => (await site.get('/wiki/')).status === 200);
    const stream = recipes.startStream(site.sitePort, MOST_REQUESTS, pages);
    await endWorkers({ ...site, supervisor }, stream, 'SIGKILL');
    const ledger = await stream.stop();
    expect(ledger.lost.length, ledger.lost.join('\n')).toBeLessThanOrEqual(ENDS * recipes.CLIENTS);
  });
});

/** One file for each of the locations that nginx serves itself. */
function placeStaticFiles({ settings: { PROJECTBASE, PROJECTNAME } }: recipes.RecipeSite): string[] {
  return ['images', 'javascript', 'js', 'css', 'flash', 'media', 'static'].map((name) => {
    const path = `/${name}/some/file.txt`;
    const file = join(PROJECTBASE, PROJECTNAME, name === 'static' ? '' : 'static', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `file ${path}`);
    return path;
  });
}

/** For a shell of its own with another /etc/hosts. */
function withHosts(text: string): string[] {
  const script = 'printf "$1" >hosts && mount --bind hosts /etc/hosts && shift && exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', text];
}

describe('the application', () => {
  test('gets what a form sends, byte for byte', async () => {
    const site = await recipes.startRecipe(venv());
    const name = `Zoë & "${'x'.repeat(20_000)}" <ünï>`;
    const reply = await site.ask({
      method: 'POST',
      path: '/wiki/greet',
      query: '',
      body: `name=${encodeURIComponent(name)}`,
      type: 'application/x-www-form-urlencoded',
    });
    expect(reply.body).toContain(`Zoë &amp; &quot;${'x'.repeat(20_000)}&quot; &lt;ünï&gt;`);
    expect(reply.status).toBe(200);
  });

  test('is found below its prefix only', async () => {
    const site = await recipes.startRecipe(venv());
    for (const path of ['/', '/elsewhere', '/wikipedia', '/wikipedia/greet', '/%77', '/greet']) {
      const reply = await site.get(path);
      expect(reply, path).toEqual({ status: 404, body: 'Nothing here: the application is at /wiki/\n' });
    }
    for (const path of ['/wiki', '/wiki/', '/wiki/index', '/w%69ki/', '//wiki/', '/wiki/greet']) {
      await recipes.expectPage(site, path);
    }
    expect((await site.get('/wiki/nothing%20such')).status).toBe(404);
    expect((await site.get('/wiki/')).body).toContain('action="/wiki/greet"');
    expect(site.log('nginx')).toBe('');
  });

  test('has the whole site without a prefix', async () => {
    const site = await recipes.prepareSite(venv());
    recipes.setInGlue(site, 'virtual_path', '');
    await site.follow('Start the pool', 'Start nginx');
    await recipes.expectPage(site, '/');
    await recipes.expectPage(site, '/greet');
    expect((await site.get('/')).body).toContain('action="/greet"');
    expect((await site.get('/wiki/')).status).toBe(404);
  });

  test('reads dev.cfg in a checkout, which has a setup.py, and prod.cfg otherwise', async () => {
    const deployed = await recipes.startRecipe(venv());
    expect((await deployed.get('/wiki/')).body).toContain('production mode');

    const checkout = await recipes.prepareSite(venv());
    writeFileSync(join(checkout.settings.PROJECTBASE, 'setup.py'), '');
    await checkout.follow('Start the pool', 'Start nginx');
    expect((await checkout.get('/wiki/')).body).toContain('development mode');
    expect(checkout.log('stdout.log')).toContain('with dev.cfg');
  });

  test('appends what it prints to the logs, and the traceback of a mistake', async () => {
    const site = await recipes.prepareSite(venv());
    const { PROJECTBASE, PROJECTNAME } = site.settings;
    appendFileSync(join(PROJECTBASE, PROJECTNAME, 'controllers.py'), MISTAKES);
    recipes.setInGlue(site, 'root_class', `${PROJECTNAME}.controllers.Mistaken`);
    await site.follow('Start the pool', 'Start nginx');
    await recipes.expectPage(site, '/wiki/tell');
    expect(site.log('stdout.log')).toMatch(/with prod\.cfg\nprinted by Python\nprinted by a child\n$/);
    expect((await site.get('/wiki/fail')).status).toBe(500);
    expect(site.log('stderr.log')).toMatch(/^Traceback [^]*\nValueError: a mistake\n$/);
  });
});

const MISTAKES = `

class Mistaken(Root):
    @expose()
    def tell(self):
        print('printed by Python')
        os.system('echo printed by a child')
        return page('told')

    @expose()
    def fail(self):
        raise ValueError('a mistake')
`;

describe('a worker', () => {
  test('that is killed is replaced, and the next request is answered', async () => {
    const site = await recipes.startRecipe(venv());
    const before = await recipes.expectPage(site);
    process.kill(before, 'SIGKILL');
    const after = await recipes.expectPage(site);
    expect(after).not.toBe(before);
    expect(site.log('nginx')).toBe('');
    // The successor goes on where the first has ended.
    expect([...site.log('stdout.log').matchAll(/ (\d+): wiki20/g)].map(([, pid]) => Number(pid))).toEqual([
      before,
      after,
    ]);
  });

  test('that is killed under load costs no more than the requests that it works on', async () => {
    const site = await recipes.startRecipe(venv(), { workers: 2 });
    const stream = recipes.startStream(site.sitePort, MOST_REQUESTS, pages);
    await endWorkers(site, stream, 'SIGKILL');
    const ledger = await stream.stop();
    expect(ledger.lost.length, ledger.lost.join('\n')).toBeLessThanOrEqual(ENDS * recipes.CLIENTS);
    await recipes.expectPage(site);
  });

  test('that gets TERM under load answers everything that it has accepted', async () => {
    const site = await recipes.startRecipe(venv(), { workers: 2 });
    const stream = recipes.startStream(site.sitePort, MOST_REQUESTS, pages);
    await endWorkers(site, stream, 'SIGTERM');
    const ledger = await stream.stop();
    expect(ledger.lost, site.log('nginx')).toEqual([]);
    expect(ledger.answered).toBeGreaterThan(ENDS * REQUESTS_BETWEEN);
  });

  test('does not keep a stop waiting until the deadline, where several wait for the same connections', async () => {
    const site = await recipes.startRecipe(venv(), { workers: 3 });
    await recipes.startStream(site.sitePort, 400, pages).finished;
    // Whoever comes too late to accept() must be sent away: flup would sleep there, deaf to TERM, until the deadline.
    for (const pid of await workersOf(site, 3)) {
      const listener = readOpenFiles(pid).find(({ fd }) => fd === 0);
      expect((listener?.flags ?? 0) & constants.O_NONBLOCK, `worker ${pid}`).not.toBe(0);
    }
    process.kill(site.supervisor, 'SIGTERM');
    // --stop-timeout is 9 s; flup looks around once a second.
    await waitFor('the end of the pool', () => !isAlive(site.supervisor), { timeoutMs: 8_000 });
  });
});

describe('a change of the code', () => {
  test.for([
    [
      'spawn-fcgictl reload',
      () =>
        blocksOf('Deploy a change')
          .map((block) => block.commands)
          .join(''),
    ],
    ['HUP', deployByHup],
  ] as const)('is deployed by %s under load, and none of the requests is lost', async ([, deploy]) => {
    const site = await recipes.startRecipe(venv(), { workers: 2 });
    const old = await workersOf(site, 2);
    const stream = recipes.startStream(site.sitePort, MOST_REQUESTS, pages);
    await waitFor('some requests', () => stream.ended() >= REQUESTS_BETWEEN);
    const { output, failures } = await site.type(deploy());
    expect(failures, output).toEqual([]);
    await waitFor('the last old worker to end', () => old.every((pid) => !isAlive(pid)), {
      timeoutMs: 30_000,
    });
    expect((await site.get('/wiki/')).body).toContain('Good morning from TurboGears');

    const from = stream.ended();
    await waitFor('requests after the reload', () => stream.ended() - from >= REQUESTS_BETWEEN);
    const ledger = await stream.stop();
    expect(ledger.lost, site.log('nginx')).toEqual([]);
    await workersOf(site, 2);
  });

  test('is seen by the very next request after spawn-fcgictl reload', async () => {
    const site = await recipes.startRecipe(venv());
    expect((await site.get('/wiki/')).body).toContain('Hello from TurboGears');
    expect(await site.follow('Deploy a change')).toContain('Good morning from TurboGears');
  });

  test('that does not load leaves the old workers, status 1 and the reason in stderr.log', async () => {
    const site = await recipes.startRecipe(venv(), { workers: 2 });
    const old = (await workersOf(site, 2)).toSorted((a, b) => a - b);
    // A worker that still loads the project would load what comes now.
    const loaded = new Set<number>();
    const ask = async (): Promise<unknown> => loaded.add(await recipes.expectPage(site));
    const isLoaded = async (): Promise<boolean> => {
      await Promise.all(Array.from({ length: 8 }, ask));
      return loaded.size === old.length;
    };
    await waitFor('an answer of each', isLoaded, { timeoutMs: 30_000 });
    const { PROJECTBASE } = site.settings;
    writeFileSync(join(PROJECTBASE, 'wiki20/controllers.py'), 'class Root:\n');
    const { failures } = await site.type(pageSays('spawn-fcgictl reload ${SUPERVISOR}'));
    expect(failures).toEqual([expect.stringMatching(/^1 from /)]);
    expect(site.log('stderr.log')).toContain('wiki20.controllers.Root cannot be loaded: IndentationError');
    expect(childrenOf(site.supervisor).toSorted((a, b) => a - b)).toEqual(old);
    expect(old).toContain(await recipes.expectPage(site));
  });
});

/** The children of the supervisor, when the guard of its start is none of them any more. */
function workersOf(site: recipes.RunningSite, count: number): Promise<number[]> {
  return waitFor(`${count} workers`, () => {
    const children = childrenOf(site.supervisor);
    return children.length === count && children;
  });
}

/** The page's change, and then the signal instead of the command that waits. */
function deployByHup(): string {
  const [block] = blocksOf('Deploy a change');
  return `${block?.commands.split('\n')[0]}\n${pageSays('kill -HUP ${SUPERVISOR}')}`;
}

/** Ends one worker after the other in the middle of a stream of requests. */
async function endWorkers(
  site: recipes.RunningSite,
  stream: recipes.RequestStream,
  signal: NodeJS.Signals,
): Promise<void> {
  for (let end = 0; end < ENDS; end += 1) {
    const from = stream.ended();
    await waitFor('requests between two ends', () => stream.ended() - from >= REQUESTS_BETWEEN);
    const worker = await waitFor('a worker', () => childrenOf(site.supervisor).find((pid) => isAlive(pid)));
    process.kill(worker, signal);
    await waitFor('the end of a worker', () => !isAlive(worker));
  }
  const from = stream.ended();
  await waitFor('requests after the last end', () => stream.ended() - from >= REQUESTS_BETWEEN);
}
