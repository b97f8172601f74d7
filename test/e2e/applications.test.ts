// Real applications behind real web servers, eight checks a pair: the table of docs/applications.md is what this finds.
// SPAWN_FCGI_WRITE_TABLE=1 writes it; otherwise page and findings have to agree.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as fronts from '../helpers/fronts/index.ts';
import * as machine from '../helpers/machine/index.ts';

/** Pools that are tried at a time: each waits more than it computes. */
const AT_A_TIME = 3;
const TIMEOUT_MS = 300_000;
const applications = [...fronts.echoPrograms, ...fronts.gitPrograms, ...fronts.mapPrograms];
const servers = fronts.serverNames.filter((name) => fronts.missingServer(name) === undefined);
const isWriting = process.env['SPAWN_FCGI_WRITE_TABLE'] === '1';

/** By the application's name; what has gone wrong instead, if so. */
const commands = new Map<string, string>();
const found = new Map<string, fronts.Finding>();
const broken = new Map<string, unknown>();

beforeAll(async () => {
  const dir = machine.makeTempDir();
  const candidates: fronts.Candidate[] = [];
  for (const tested of applications)
    if (tested.missing === undefined) candidates.push(await place(tested, dir));
  const sites = candidates.map(({ site }) => site);
  await Promise.all(servers.map((name) => fronts.startServer(name, dir, sites)));
  await tryAll(candidates);
}, TIMEOUT_MS);

/** Its files, and a port at each server. */
async function place(tested: fronts.Tested, dir: string): Promise<fronts.Candidate> {
  const name = tested.name.toLowerCase().replaceAll(/[^a-z]+/g, '-');
  const own = join(dir, name);
  mkdirSync(own);
  const installation = tested.install(own);
  commands.set(tested.name, asOnPage(installation.command, own));
  const ports: Partial<Record<fronts.ServerName, number>> = {};
  for (const server of servers) ports[server] = await machine.freePort();
  const { shape } = tested;
  const { path } = installation;
  return {
    tested,
    installation,
    dir: own,
    site: { name, shape, path, ports, socket: join(own, 'app.sock') },
  };
}

/** The page calls by its name what is in the PATH, and has a place for programs of one's own. */
function asOnPage([program = '', ...args]: readonly string[], dir: string): string {
  const isOwn = program.startsWith(dir);
  const name = isOwn ? '/srv/app/program' : program.replace(/^\/usr\/s?bin\//, '');
  return ['--', name, ...args].join(' ');
}

/** A few at a time. Not in the tests: pools would end with whatever test is running. */
async function tryAll(candidates: readonly fronts.Candidate[]): Promise<void> {
  const waiting = [...candidates];
  const tryNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { name } = next.tested;
      await fronts.tryCandidate(next).then(
        (findings) => void found.set(name, findings),
        (error: unknown) => void broken.set(name, error),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, tryNext));
}

afterAll(() => {
  if (isWriting) fronts.writeTable(applications.map(({ name }) => [name, found.get(name)]));
});

test.for(applications)('$name is started as the page says', ({ name, missing }, { skip }) => {
  skip(missing !== undefined, missing);
  expect(readFileSync(fronts.applicationsPage, 'utf8')).toContain(`${commands.get(name)}\` |`);
});

describe.for(applications)('$name', ({ name, missing }) => {
  test.for(fronts.serverNames)('behind %s does what the page says', (server, ctx) => {
    ctx.skip(missing !== undefined, missing);
    const absent = fronts.missingServer(server);
    ctx.skip(absent !== undefined, absent);
    const findings = found.get(name);
    if (!findings) throw new Error('it could not be tried', { cause: broken.get(name) });
    if (!isWriting) expect(fronts.cellOf(findings, server)).toBe(fronts.cellOnPage(name, server));
  });
});
