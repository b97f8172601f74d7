// flup forgets to close the connection of an upload whose client has gone: its workers are idle all the same, and end so.
import { copyFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fixture, findPython, pythonVenv } from '../helpers/build/index.ts';
import { freePort, readOpenFiles, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { transports } from '../helpers/web/index.ts';

const python = findPython();
const quick = ['--settle', '50ms', '--min-uptime', '50ms', '--stop-timeout', '10m'];

test.for(transports)('flup on %s', { timeout: 120_000 }, async (transport, { skip }) => {
  skip(python === undefined, 'needs python3 with venv');
  const place = pools.makePlace();
  const venv = pythonVenv(python ?? '', ['flup==1.0.3']);
  copyFileSync(fixture('flup-echo.py'), join(place.dir, 'app.py'));
  writeFileSync(place.app, `#!/bin/sh\nexec ${venv}/bin/python3 ${join(place.dir, 'app.py')}\n`, {
    mode: 0o755,
  });
  const port = await freePort();
  const isTcp = transport === 'TCP';
  const address = isTcp ? ['-a', '127.0.0.1', '-p', String(port)] : ['-s', place.socket];
  const named = { ...place, name: isTcp ? `127.0.0.1:${port}` : place.socket };
  const target = isTcp ? { host: '127.0.0.1', port } : { path: place.socket };
  const pool = await pools.start(place, [...quick, '-F', '2'], [], { address });

  for (const round of ['reload', 'stop'] as const) {
    const workers = await pools.fullPool(pool, 2);
    await waitUntilIdle(named);
    const before = socketsOf(workers);
    // Not each is forgotten: it depends on what flup has read when it hears of the end.
    for (let upload = 0; upload < 60 && socketsOf(workers) < before + 4; upload += 1) {
      await abortUpload(target);
      await waitUntilIdle(named);
    }
    // Otherwise this would prove nothing.
    expect(socketsOf(workers)).toBeGreaterThanOrEqual(before + 4);
    expect((await pools.ctl(place.stateDir, ['ping', named.name])).stdout).toContain('2 idle, 0 busy');
    expect(await pools.ctl(place.stateDir, [round, named.name])).toMatchObject({ status: 0 });
    if (round === 'reload') await pools.waitForEvents(place, 'reload-finished');
  }
  await pools.expectNothingLeft(place);
  expect(pools.events(place, 'killed')).toEqual([]);
  expect(pools.events(place, 'request-cut')).toEqual([]);
});

function waitUntilIdle(place: pools.Place & { name: string }): Promise<unknown> {
  return waitFor('two idle workers', async () => (await pools.statusOf(place)).idle === 2, {
    timeoutMs: 20_000,
  });
}

function socketsOf(workers: readonly number[]): number {
  return workers.flatMap(readOpenFiles).filter(({ target }) => target.startsWith('socket:')).length;
}

/** Begins a request with a body that is longer than what comes of it. */
function abortUpload(target: { path: string } | { host: string; port: number }): Promise<void> {
  const variables = { REQUEST_METHOD: 'POST', CONTENT_LENGTH: '1000000', QUERY_STRING: '', SERVER_NAME: 'x' };
  const cgi = { ...variables, SCRIPT_NAME: '/', SERVER_PORT: '80', SERVER_PROTOCOL: 'HTTP/1.1' };
  const pairs = Object.entries(cgi).map(([name, value]) =>
    Buffer.concat([Buffer.of(name.length, value.length), Buffer.from(name + value)]),
  );
  const bytes = [
    record(1, Buffer.of(0, 1, 0, 0, 0, 0, 0, 0)),
    record(4, Buffer.concat(pairs)),
    record(4, Buffer.alloc(0)),
    record(5, Buffer.alloc(30_000, 'x')),
  ];
  return new Promise((resolve) => {
    const connection = connect(target, () => connection.end(Buffer.concat(bytes)));
    connection.on('finish', () => connection.destroy());
    connection.on('error', () => undefined);
    connection.on('close', () => resolve());
  });
}

function record(type: number, content: Buffer): Buffer {
  const header = Buffer.of(1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0);
  return Buffer.concat([header, content]);
}
