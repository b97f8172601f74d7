// What spawn-fcgictl convert makes of others' configuration is started, and its workers tell what they have been given:
// that is compared with what the input says.
import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as conversions from '../helpers/convert/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { makeStateDir, oursPath, startForeground, startPool } from '../helpers/pool/index.ts';

interface ConvertedFixture extends conversions.PlacedFixture {
  /** What convert prints. */
  script: string;
  dir: string;
}

async function convertFixture(one: conversions.ConversionFixture): Promise<ConvertedFixture> {
  const dir = machine.makeTempDir();
  const program = join(dir, 'app');
  copyFileSync(compileC(fixture('report-worker.c'), { static: true }), program);
  chmodSync(program, 0o755);
  const placed = conversions.placeFixture(one, dir, { program, port: await machine.freePort() });
  for (const { jail } of placed.expected.pools) if (jail !== undefined) conversions.makeJail(jail, program);
  return { ...placed, dir, script: conversions.convertPlaced(one, placed, program).script };
}

/** As the caller of the printed command would. */
async function startScript({ script: printed, expected }: ConvertedFixture): Promise<void> {
  const env = { ...process.env, PATH: `${dirname(oursPath)}:${process.env['PATH']}` };
  const options = { command: '/bin/sh', cwd: '/', env, umask: 0o022 };
  const script = printed.replaceAll(/\bspawn-fcgi (?=-|\\)/g, `spawn-fcgi --state-dir ${makeStateDir()} `);
  const isForeground = expected.pools.some(({ foreground }) => foreground);
  if (!isForeground) await startPool(['-ec', script], options);
  else startForeground(['-ec', script.replace(/^(?=spawn-fcgi|env )/m, 'exec ')], options);
}

function isLive({ pools }: conversions.Expected): boolean {
  return pools.some(
    ({ socket, address, refused, program }) =>
      (socket !== undefined || address !== undefined) && !refused && program !== '/usr/bin/php-cgi',
  );
}

test.for(conversions.conversionFixtures())('$kind: $file gives workers what it says', async (one, ctx) => {
  machine.needRoot(ctx);
  const converted = await convertFixture(one);
  const { expected } = converted;
  if (isLive(expected)) {
    await startScript(converted);
    for (const pool of expected.pools) {
      const reports = await conversions.collectGiven(pool, pool.workers ?? 1);
      expect(conversions.givenFacts(pool, reports)).toEqual(conversions.wantedFacts(pool));
    }
  }
  for (const path of expected.untouched ?? []) expect(existsSync(path), path).toBe(false);
});
