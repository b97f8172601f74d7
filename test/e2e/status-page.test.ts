// The page of the status socket in a real browser, behind nginx as docs/monitoring.md has it: what it shows, to whom, and what
// it says when nobody answers.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import * as browsers from '../helpers/browser/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { examplePage } from '../helpers/models/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const needed = ['nginx', browsers.browserCommand];
/** Markup, quotes, an escape sequence, and a change of direction. */
const name = '<img src=x onerror=alert(1)>"\'&\u001b[31m\u202e';

let browser: browsers.Browser;
let place: pools.EchoPlace;
let pool: pools.Pool;
let url: string;
/** It stays open from test to test, as an operator leaves it. */
let page: browsers.Page;
let complaints: string[];

beforeAll(async () => {
  if (machine.missing({ commands: needed }) !== undefined) return;
  place = await pools.makeEchoPlace();
  pool = await startPool();
  const { port } = await sites.startStatusNginx(place.dir, join(place.runDir, 'app.status'));
  url = `http://127.0.0.1:${port}/status?html`;
  browser = await browsers.openBrowser();
  ({ page, complaints } = await browsers.visitPage(browser, url));
});
beforeEach((ctx) => machine.needCommands(ctx, ...needed));

function startPool(): Promise<pools.Pool> {
  const status = ['--status-socket', join(place.runDir, 'app.status')];
  const quick = ['--settle', '0', '--min-uptime', '1ms', '--stop-timeout', '100ms'];
  return pools.start(place, ['-F', '3', '--name', name, ...status, ...quick], []);
}

/** It asks again at once, as when the network is there again. */
async function renew(): Promise<void> {
  const answer = page.waitForResponse(/html&data/);
  await page.evaluate('dispatchEvent(new Event("online"))');
  await answer;
}

function states(of = page): Promise<string[]> {
  return browsers.attributesOf(of, '#bars .bar', 'data-state');
}

test('shows the pool, and what its name has in it is text', async () => {
  await browsers.waitForText(page, '#health', /^serving$/);
  const shown = String.raw`<img src=x onerror=alert(1)>"'&\x1b[31m\u{202e}`;
  expect(await page.locator('#name').innerText()).toBe(shown);
  expect(await page.title()).toBe(`serving - ${shown}`);
  expect(await states()).toEqual(['idle', 'idle', 'idle']);
  expect(await page.locator('#facts').innerText()).toContain(place.releases.programOf('1'));
  expect(await page.locator('script, img').count()).toBe(1);
  expect(complaints).toEqual([]);
});

test('shows who is busy and who waits, and draws the queue as it grows', async () => {
  const heights = (): Promise<number> =>
    page.evaluate('document.querySelector("#chart .queue").getBBox().height');
  expect(await heights()).toBe(0);
  const fifo = join(place.dir, 'hold');
  await machine.runCommand('mkfifo', ['-m', '0666', fifo]);
  const clients = Array.from({ length: 5 }, () => {
    const client = new web.KeptClient({ socketPath: place.socket });
    client.begin(`hold=${fifo}`, '');
    client.finish();
    return client;
  });
  await machine.waitFor(
    'a queue',
    async () => (await web.askFacts({ socketPath: join(place.runDir, 'app.status') }))['listen queue'] === 2,
  );
  await renew();
  await browsers.waitForText(page, '#health', /^saturated$/);
  expect(await states()).toEqual(['busy', 'busy', 'busy']);
  await browsers.waitForText(page, '#queue-note', /^2 waiting now, [2-5] at most .* 1024 may wait\./);
  expect(await heights()).toBeGreaterThan(20);
  // Who waits there goes on; who comes later does not wait.
  const release = fs.openSync(fifo, 'r+');
  fs.rmSync(fifo);
  fs.closeSync(release);
  const end = (client: web.KeptClient): Promise<void> => client.answer().then(() => client.close());
  await Promise.all(clients.map(end));
});

test('tells of a worker that was killed, and of its successor', async () => {
  // The first bar is of slot 0, whose PID is not the smallest where numbers have begun anew in between.
  const { pid: worker } = (await pools.statusOf(place)).workers.find(({ slot }) => slot === 0) ?? {};
  if (typeof worker !== 'number') throw new Error('slot 0 is empty');
  process.kill(worker, 'SIGKILL');
  await machine.waitFor(
    'the successor',
    () => !pools.workersOf(pool).includes(worker) && pools.workersOf(pool).length === 3,
  );
  await renew();
  const newest = await browsers.waitForText(page, '#event-list li', /was killed by SIGKILL/);
  expect(newest).toContain(`(PID ${worker})`);
  expect(await page.locator('#facts').innerText()).toMatch(/Restarts\s+1 crash/);
  await page.locator('#bars .bar').first().hover();
  await browsers.waitForText(page, '#detail', /was killed by SIGKILL/);
});

test('has the last words of a release that does not run, and the result of one that does', async () => {
  place.releases.make('2', '#!/bin/sh\necho "no <b>database</b> at db1" >&2\nexit 3\n');
  place.releases.switchTo('2');
  expect((await pools.ctl(place.stateDir, ['reload', place.name])).status).toBe(1);
  await renew();
  await browsers.waitForText(page, '#words', /^no <b>database<\/b> at db1$/);
  expect(await page.locator('#facts').innerText()).toMatch(/Reloads\s+1 rolled-back/);
  place.releases.make('3');
  place.releases.switchTo('3');
  expect((await pools.ctl(place.stateDir, ['reload', place.name])).status).toBe(0);
  await renew();
  await browsers.waitForText(page, '#failure', /It succeeded \ds ago, all workers are new\.$/);
  expect(await page.locator('#facts').innerText()).toContain(place.releases.programOf('3'));
  expect(await page.locator('#event-list').innerText()).toMatch(/reload finished[^]*reload to generation/);
});

test('is walked through by keyboard: each worker, the table of all, the figures', async () => {
  await page.locator('#pause').focus();
  await page.keyboard.press('Tab');
  const focused = (): Promise<string> =>
    page.evaluate(
      '(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).slice(0, 60)',
    );
  expect(await focused()).toMatch(/^Worker 0, idle, PID \d+$/);
  for (const key of ['ArrowRight', 'End', 'ArrowRight']) await page.keyboard.press(key);
  expect(await focused()).toMatch(/^Worker 2,/);
  expect(await page.locator('#detail').innerText()).toMatch(/^Worker 2\nState\nidle/m);
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  const stops: string[] = [];
  for (let index = 0; index < 3; index++) {
    await page.keyboard.press('Tab');
    stops.push(await focused());
  }
  expect(stops.slice(-2)).toEqual(['Workers as a table', "Figures by php-fpm's names"]);
  for (const key of ['Enter', 'Shift+Tab', 'Enter']) await page.keyboard.press(key);
  await browsers.waitForCount(page, '#table tbody tr', 3);
  expect(await page.locator('#table thead th[scope=col]').count()).toBeGreaterThan(8);
  expect(await page.locator('#figures tr', { hasText: 'total processes' }).innerText()).toMatch(/\t3$/);
});

test.each(['light', 'dark'] as const)(
  'has nothing that axe complains about, in %s colours',
  async (scheme) => {
    await page.emulateMedia({ colorScheme: scheme });
    expect(await browsers.findBarriers(page)).toEqual([]);
  },
);

test('fits on a screen, and on a phone in its width', async () => {
  for (const summary of ['#table summary', '#figures summary']) await page.locator(summary).click();
  const overflow = (): Promise<number[]> =>
    page.evaluate(
      '["Height", "Width"].map((side) => document.documentElement[`scroll${side}`] - window[`inner${side}`])',
    );
  expect(await overflow()).toEqual([0, 0]);
  await page.setViewportSize({ width: 360, height: 640 });
  await machine.waitFor('the width of a phone', async () => (await overflow())[1] === 0);
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('without JavaScript it is a picture of one moment, with the tables of php-fpm', async () => {
  const visit = await browsers.visitPage(browser, `${url}&full`, { javaScriptEnabled: false });
  const text = await visit.page.locator('body').innerText();
  expect(text).toContain('Without JavaScript');
  expect(text).toMatch(/total processes\t3/);
  expect(text).toMatch(/^\d+\tIdle\t/m);
  expect(text).not.toContain('Pause');
  expect(visit.complaints).toEqual([]);
  await visit.page.context().close();
});

test('is not to be had where the question is fixed, whatever is asked', async () => {
  const { body } = await web.send(Number(new URL(url).port), { path: '/metrics', query: 'html&data' });
  expect(body).toMatch(/^# HELP phpfpm_up [^]*\n# EOF\n$/);
});

test('stops asking while it is paused', async () => {
  await page.clock.install();
  await renew();
  await page.locator('#pause').click();
  let asked = 0;
  page.once('request', () => (asked += 1));
  await page.evaluate('dispatchEvent(new Event("online"))');
  await page.clock.fastForward('10:00');
  expect([asked, await page.locator('#pause').innerText()]).toEqual([0, 'Resume']);
  await Promise.all([page.waitForResponse(/html&data/), page.locator('#pause').click()]);
});

test('has no events where everybody may ask, and says why', async () => {
  await browsers.changeAnswer(page, /html&data/, { inside: null });
  await renew();
  await browsers.waitForText(page, '#event-list', /told where it is on a path/);
  expect(await page.locator('#facts').innerText()).toMatch(/^Release\s+generation \d$/m);
  await renew();
  await browsers.waitForText(page, '#event-list', /pool up/);
});

test('loads itself anew when the supervisor has another version of it', async () => {
  await renew();
  await browsers.changeAnswer(page, /html&data/, { page: 'another' });
  await Promise.all([page.waitForEvent('load'), page.evaluate('dispatchEvent(new Event("online"))')]);
  await renew();
  await browsers.waitForText(page, '#health', /^serving$/);
});

test('has a place for everything at once; SPAWN_FCGI_PICTURES=DIRECTORY keeps pictures of that', async () => {
  const directory = process.env['SPAWN_FCGI_PICTURES'];
  let asked = 0;
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page: own, complaints: said } = await browsers.visitPage(browser, 'about:blank', { colorScheme });
    await own.route(/html&data/, async (route) => {
      const answer = (await (await route.fetch()).json()) as { page: string };
      await route.fulfill({ json: examplePage(answer.page, (asked += 1)) });
    });
    await own.goto(url);
    await browsers.waitForText(own, '#facts', /CPU\s+workers \d/);
    await own.locator('#bars .bar').nth(3).hover();
    await browsers.waitForText(own, '#detail', /Last exit\s+was killed by SIGKILL/);
    expect(new Set(await states(own))).toEqual(
      new Set(['busy', 'kept', 'idle', 'backoff', 'starting', 'stopping', 'spare']),
    );
    if (directory !== undefined)
      fs.writeFileSync(
        join(directory, `page-${colorScheme}.png`),
        browsers.withFewColours(await own.screenshot()),
      );
    expect(said).toEqual([]);
    await own.context().close();
  }
});

test('says since when nobody answers, and goes on when somebody does', async () => {
  await pool.stop();
  await renew();
  await browsers.waitForText(page, '#health', /^not answered since \d\d:\d\d:\d\d: the web server says 502$/);
  expect(await page.locator('#renewed').innerText()).toMatch(/^asked again in \d+ s$/);
  expect(await page.title()).toMatch(/^not answered since/);
  pool = await startPool();
  await renew();
  await browsers.waitForText(page, '#health', /^serving$/);
  // What was seen before it came is not forgotten.
  expect(await page.locator('#event-list').innerText()).toMatch(/pool up[^]*reload finished/);
});
