// The status socket behind Apache, lighttpd, Caddy and HAProxy, by the blocks of docs/monitoring.md: what they pass on, to whom,
// and the page in a real browser. nginx is in status-page.test.ts.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as browsers from '../helpers/browser/index.ts';
import * as fronts from '../helpers/fronts/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import { send } from '../helpers/web/index.ts';

/** How a block of the page gets a port of the test's. */
const surroundings = {
  Apache: {
    language: 'apache',
    around: (block: string, port: number) => `Listen 127.0.0.1:${port}\n${block}`,
  },
  lighttpd: {
    language: 'lighttpd',
    around: (block: string, port: number) => `$SERVER["socket"] == "127.0.0.1:${port}" { }\n${block}`,
  },
  Caddy: {
    language: 'caddy',
    around: (block: string, port: number) => `http://127.0.0.1:${port} {\nbind 127.0.0.1\n${block}}\n`,
  },
  HAProxy: {
    language: 'haproxy',
    around: (block: string, port: number) => block.replace('bind :80', `bind 127.0.0.1:${port}`),
  },
} as const;
type Front = keyof typeof surroundings;

const names = Object.keys(surroundings) as Front[];
const prometheus = '192.0.2.7';
const own = '127.0.0.1';

let place: pools.Place;
let status: string;
let browser: browsers.Browser | undefined;

beforeAll(async () => {
  place = pools.makePlace();
  status = join(place.runDir, 'app.status');
  const user = machine.isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];
  await pools.start(place, ['-F', '2', '--settle', '0', '--status-socket', status, ...user]);
  const isThere = machine.missing({ commands: [browsers.browserCommand] }) === undefined;
  browser = isThere ? await browsers.openBrowser() : undefined;
});

/** The block of the page, with these in the place of who may ask for everything, and for figures. */
async function start(name: Front, everything: string, figures: string): Promise<number> {
  const { language, around } = surroundings[name];
  const [port, dir] = [await machine.freePort(), join(place.dir, `${name}-${everything}`)];
  mkdirSync(dir);
  const block = sites
    .monitoringBlock(language)
    .replaceAll('/run/app.status', status)
    .replace(own, '@everything@')
    .replace('Require local', `Require ip @everything@`)
    .replace(prometheus, figures)
    .replace('@everything@', everything);
  await fronts.startWithLines(name, dir, { lines: around(block, port), ports: [port] });
  return port;
}

describe.each(names)('behind %s', (name) => {
  test('everything is there, and the page renews itself', async (ctx) => {
    const missing = fronts.missingServer(name);
    if (missing !== undefined) ctx.skip(missing);
    const port = await start(name, own, own);
    const ask = (path: string, query: string) => send(port, { path, query });
    expect((await ask('/ping', '')).body).toBe('pong');
    expect(JSON.parse((await ask('/status', 'json&full')).body)).toMatchObject({ processes: [{}, {}] });
    const url = `http://${own}:${port}/status?html`;
    expect((await fetch(url)).headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; .*; trusted-types 'none'$/,
    );
    expect((await ask('/metrics', 'html&data')).body).toMatch(/^# HELP phpfpm_up [^]*\n# EOF\n$/);
    for (const path of ['/%6detrics', '//metrics', '/x/../metrics', '/metrics/x'])
      expect((await ask(path, 'html&data')).body, path).not.toContain('"inside"');
    if (!browser) return;
    const { page, complaints } = await browsers.visitPage(browser, url);
    await browsers.waitForText(page, '#health', /^serving$/);
    const answer = page.waitForResponse(/html&data/);
    await page.evaluate('dispatchEvent(new Event("online"))');
    expect((await answer).status()).toBe(200);
    expect(complaints).toEqual([]);
  });

  test('nobody else is let in', async (ctx) => {
    const missing = fronts.missingServer(name);
    if (missing !== undefined) ctx.skip(missing);
    const port = await start(name, prometheus, prometheus);
    for (const path of ['/status', '/ping', '/metrics', '/%73tatus', '//status', '/x/../status'])
      expect((await send(port, { path, query: 'json' })).body, path).not.toMatch(/pong|processes/);
  });
});
