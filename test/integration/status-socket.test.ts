// --status-socket from its first moment to its last: who may ask, what a reload, a handover, a kill and an end leave of it.
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as web from '../helpers/web/index.ts';

interface Watched extends pools.Place {
  status: string;
  target: web.FastcgiTarget;
  option: string[];
}

function makePlace(): Watched {
  const place = pools.makePlace();
  const status = join(place.runDir, 'app.status');
  return { ...place, status, target: { socketPath: status }, option: ['--status-socket', status] };
}

const quick = ['--settle', '0', '--min-uptime', '1ms'];

test('the supervisor answers in every format, also where every worker is busy and connections wait', async () => {
  const place = makePlace();
  fs.copyFileSync(compileC(fixture('plain-echo.c')), place.app);
  const pool = await pools.start(place, ['-F', '2', '--stop-timeout', '100ms', ...place.option], []);
  expect(await web.askFacts(place.target)).toMatchObject({
    pool: 'app',
    'idle processes': 2,
    'listen queue': 0,
  });
  const clients = ['sleep=60000', 'sleep=60001', 'third'].map((query) => {
    const client = new web.KeptClient({ socketPath: place.socket });
    client.begin(query, '');
    client.finish();
    return client;
  });
  const facts = await machine.waitFor('a saturated pool', async () => {
    const seen = await web.askFacts(place.target);
    return seen['listen queue'] === 1 && seen['active processes'] === 2 && seen;
  });
  expect(facts).toMatchObject({ 'idle processes': 0, 'max active processes': 2, 'max listen queue': 1 });
  expect(await web.askStatus(place.target)).toMatch(/^listen queue: {9}1$/m);
  expect(await web.askStatus(place.target, 'xml&full')).toContain('<state>Running</state>');
  expect(await web.askStatus(place.target, 'html')).toContain('<tr><th>active processes</th><td>2</td></tr>');
  expect(await web.askStatus(place.target, 'openmetrics')).toMatch(
    /^spawn_fcgi_workers\{.*state="busy"\} 2$/m,
  );
  expect((await web.askStatusFor(place.target, { SCRIPT_NAME: '/ping' })).body).toBe('pong');
  expect(clients.map(({ isClosed }) => isClosed)).toEqual([false, false, false]);
  await pools.endPool(place, pool);
});

test('workers that end are counted by the reason, and spawn-fcgictl metrics says the same of them', async () => {
  const place = makePlace();
  const pool = await pools.start(place, [...quick, ...place.option]);
  const worker = await pools.onlyWorker(pool);
  process.kill(worker, 'SIGKILL');
  await pools.onlyWorker(pool, [worker]);
  const line = `spawn_fcgi_restarts_total{pool="app",address="${place.socket}",reason="crash"} 1`;
  await machine.waitFor('the count', async () =>
    (await web.askStatus(place.target, 'openmetrics')).split('\n').includes(line),
  );
  const { stdout, status } = await pools.ctl(place.stateDir, ['metrics', '--full', place.socket]);
  expect([status, stdout.split('\n').includes(line)]).toEqual([0, true]);
  const names = (text: string): string[] =>
    [...text.matchAll(/^# TYPE (\w+?)(?:_total)? /gm)].map(([, name = '']) => name);
  expect(names(stdout)).toEqual(names(await web.askStatus(place.target, 'openmetrics&full')));
  await pools.endPool(place, pool);
});

describe('who may ask', () => {
  test('on a path those who may use the pool: its owner and group, mode 0660 whatever -M says', async (ctx) => {
    machine.needRoot(ctx);
    const place = makePlace();
    const { option } = place;
    const pool = await pools.start(place, [
      '-u',
      'nobody',
      '-g',
      'nogroup',
      '-U',
      'daemon',
      '-M',
      '0600',
      ...option,
    ]);
    const [own, status] = [place.socket, place.status].map((path) => fs.statSync(path));
    expect([status?.uid, status?.gid, status?.mode]).toEqual([own?.uid, own?.gid, 0o140660]);
    expect(await web.askFacts(place.target)).toMatchObject({ 'total processes': 1 });
    await pools.stopPool([pool.pid]);
  });

  test('on a port that has no host nobody from outside', async () => {
    const place = pools.makePlace();
    const port = await machine.freePort();
    const pool = await pools.start(place, ['--status-socket', String(port)]);
    expect(await web.askFacts({ host: '127.0.0.1', port })).toMatchObject({ pool: 'app' });
    await expect(web.askFacts({ host: '127.0.0.2', port })).rejects.toThrow('refused');
    await pools.endPool(place, pool);
  });

  test('no worker has it', async () => {
    const place = makePlace();
    const pool = await pools.start(place, place.option);
    const inode = fs.readlinkSync(`/proc/${pool.pid}/fd/${await descriptorOf(pool.pid, place.status)}`);
    const worker = await pools.onlyWorker(pool);
    const open = fs
      .readdirSync(`/proc/${worker}/fd`)
      .map((fd) => fs.readlinkSync(`/proc/${worker}/fd/${fd}`));
    expect(open).not.toContain(inode);
    await pools.endPool(place, pool);
  });
});

function isRefused({ code }: { code: web.FastcgiErrorCode }): boolean {
  return code === 'refused';
}

/** The number of a descriptor of the process that is a socket bound to the path. */
async function descriptorOf(pid: number, path: string): Promise<string> {
  const { stdout } = await machine.runCommand('ss', ['-xlpnH', 'src', path]);
  return /fd=(\d+)/.exec(stdout.split('\n').find((line) => line.includes(`pid=${pid},`)) ?? '')?.[1] ?? '';
}

describe('it goes on', () => {
  test('over a reload', async () => {
    const place = makePlace();
    const pool = await pools.start(place, [...quick, ...place.option]);
    await pools.ctl(place.stateDir, ['reload', place.socket]);
    const text = await web.askStatus(place.target, 'openmetrics');
    expect(text).toMatch(/^spawn_fcgi_reloads_total\{.*result="reloaded"\} 1$/m);
    expect(text).toMatch(/^spawn_fcgi_last_reload_success\{.*\} 1$/m);
    await pools.endPool(place, pool);
  });

  test('over a handover without anybody being refused, the socket with it', async () => {
    const place = makePlace();
    const old = await pools.start(place, [...quick, ...place.option]);
    const before = fs.statSync(place.status).ino;
    let [isOver, asked] = [false, 0];
    const askOn = async (): Promise<void> => {
      for (; !isOver; asked += 1) await web.askFacts(place.target);
    };
    const asking = machine.awaitedLater(askOn());
    const pool = await pools.start(place, ['--replace', ...quick, ...place.option]);
    await machine.waitFor('the end of the old one', () => !machine.isAlive(old.pid));
    isOver = true;
    await asking;
    expect(asked).toBeGreaterThan(3);
    expect(fs.statSync(place.status).ino).toBe(before);
    await pools.endPool(place, pool);
  });

  test('with the owner of the new command, if that is another', async (ctx) => {
    machine.needRoot(ctx);
    const place = makePlace();
    const old = await pools.start(place, [...quick, ...place.option]);
    expect(fs.statSync(place.status).uid).toBe(0);
    const pool = await pools.start(place, ['--replace', '-u', 'nobody', ...quick, ...place.option]);
    await machine.waitFor('the end of the old one', () => !machine.isAlive(old.pid));
    expect([place.status, place.socket].map((path) => fs.statSync(path).uid)).toEqual([
      machine.NOBODY,
      machine.NOBODY,
    ]);
    expect(await web.askFacts(place.target)).toMatchObject({ 'total processes': 1 });
    await pools.stopPool([pool.pid]);
  });

  test('after a kill of the supervisor, once the next start has taken its workers over', async () => {
    const place = makePlace();
    const killed = await pools.start(place, [...quick, ...place.option]);
    await pools.killSupervisor(killed);
    await machine.waitFor('a refusal', () => web.askFacts(place.target).then(() => false, isRefused));
    const pool = await pools.start(place, [...quick, ...place.option]);
    expect(await web.askFacts(place.target)).toMatchObject({ pool: 'app' });
    await pools.endPool(place, pool);
  });
});

describe('nothing is left of it', () => {
  test.each([
    ['without the option', []],
    ['at another address', ['--status-socket', './run/other']],
  ])('by a handover to a command %s', async (_name, option) => {
    const place = makePlace();
    const old = await pools.start(place, [...quick, ...place.option]);
    const pool = await pools.start(place, ['--replace', ...quick, ...option]);
    await machine.waitFor('the end of the old one', () => !machine.isAlive(old.pid));
    expect(fs.existsSync(place.status)).toBe(false);
    expect(fs.existsSync(join(place.runDir, 'other'))).toBe(option.length > 0);
    await pools.endPool(place, pool);
  });

  test('by a start that fails', async () => {
    const place = makePlace();
    const { status } = await pools.run(place, place.option, ['exit=3']);
    expect(status).toBe(3);
    await pools.expectNothingLeft(place);
  });

  test('by a start that has given up root and fails', async (ctx) => {
    machine.needRoot(ctx);
    const place = makePlace();
    const { status } = await pools.run(place, ['-u', 'nobody', ...place.option], ['exit=3']);
    expect(status).toBe(3);
    await pools.expectNothingLeft(place);
  });

  test('by a handover that fails, but the old one answers on', async () => {
    const place = makePlace();
    const old = await pools.start(place, [...quick, ...place.option]);
    const { status } = await pools.run(place, ['--replace', ...place.option], ['exit=3']);
    expect(status).toBe(3);
    expect(await web.askFacts(place.target)).toMatchObject({ 'total processes': 1 });
    await pools.endPool(place, old);
  });
});

describe('a start is refused', () => {
  test('where somebody else listens there, who is left alone', async () => {
    const place = makePlace();
    const server = createServer().listen(place.status);
    machine.atEnd(() => void server.close());
    const { status, stderr } = await pools.run(place, place.option);
    expect(status).toBe(255);
    expect(pools.withoutHints(stderr)).toBe(
      `spawn-fcgi: --status-socket ${place.status}: socket is already in use, can't spawn`,
    );
    expect(server.listening && fs.existsSync(place.status)).toBe(true);
  });

  test('where a file is that is no socket, which stays', async () => {
    const place = makePlace();
    fs.writeFileSync(place.status, 'precious');
    const { status, stderr } = await pools.run(place, place.option);
    expect([status, stderr.includes(`'${place.status}' exists and is not a socket`)]).toEqual([255, true]);
    expect(fs.readFileSync(place.status, 'utf8')).toBe('precious');
  });

  test('where it is the socket of the pool itself', async () => {
    const place = makePlace();
    const { status, stderr } = await pools.run(place, ['--status-socket', place.socket]);
    expect([status, stderr.includes('-s and --status-socket name the same file')]).toEqual([255, true]);
    await pools.expectNothingLeft(place);
  });

  test('where nobody supervises', async () => {
    const place = makePlace();
    const { status, stderr } = await pools.run(place, ['--no-supervise', ...place.option]);
    expect([status, stderr.includes('--status-socket')]).toEqual([255, true]);
  });
});

test('status says that its file was removed', async () => {
  const place = makePlace();
  const pool = await pools.start(place, place.option);
  expect(await pools.statusOf(place)).toMatchObject({
    statusSocket: { address: place.status, file: 'ours' },
  });
  fs.unlinkSync(place.status);
  const { stdout } = await pools.ctl(place.stateDir, ['status', place.socket]);
  expect(stdout).toContain(`its status socket ${place.status} is gone: start it again with --replace`);
  fs.writeFileSync(place.status, 'another');
  const replaced = await pools.ctl(place.stateDir, ['status', place.socket]);
  expect(replaced.stdout).toContain('was replaced: remove what is there, and start it again with --replace');
  fs.unlinkSync(place.status);
  const next = await pools.start(place, ['--replace', ...quick, ...place.option]);
  expect(await web.askFacts(place.target)).toMatchObject({ pool: 'app' });
  await machine.waitFor('the end of the old one', () => !machine.isAlive(pool.pid));
  await pools.endPool(place, next);
});
