// Some inputs are started by their originals first (1.6, multiwatch, supervisord, lighttpd, php-fpm), then by what convert
// has made of them: the workers of both tell what they were given, and it is the same.
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as conversions from '../helpers/convert/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

interface Placed extends conversions.PlacedFixture {
  dir: string;
  script: string;
  port: number;
}

async function place(kind: string, file: string, instead?: string): Promise<Placed> {
  const dir = machine.makeTempDir();
  const program = join(dir, 'app');
  copyFileSync(compileC(fixture('report-worker.c'), { static: true }), program);
  chmodSync(program, 0o755);
  const port = await machine.freePort();
  const placed = conversions.placeFixture({ kind, file }, dir, { program, port });
  for (const { jail } of placed.expected.pools) if (jail !== undefined) conversions.makeJail(jail, program);
  const { script } = conversions.convertPlaced({ kind, file }, placed, instead ?? program);
  return { ...placed, dir, port, script };
}

const env = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/root',
  USER: 'root',
  SHELL: '/bin/sh',
};
const around = { cwd: '/', umask: 0o022 };

/** A shell with a script of the original's; `arguments` are the script's. */
function startShell(script: string, words: readonly string[], isForeground: boolean): Promise<Stoppable> {
  return startWith('/bin/sh', ['-ec', script, 'script', ...words], isForeground, env);
}

type Stoppable = Pick<pools.Pool, 'stop'>;

function startOurs({ script, expected }: Placed): Promise<Stoppable> {
  const own = script.replaceAll(/\bspawn-fcgi (?=-|\\)/g, `spawn-fcgi --state-dir ${pools.makeStateDir()} `);
  const isForeground = expected.pools.some(({ foreground }) => foreground);
  const text = isForeground ? own.replace(/^(?=spawn-fcgi|env )/m, 'exec ') : own;
  const path = `${dirname(pools.oursPath)}:${env.PATH}`;
  return startWith('/bin/sh', ['-ec', text], isForeground, { ...env, PATH: path });
}

async function startWith(
  command: string,
  words: readonly string[],
  isForeground: boolean,
  environment: Record<string, string>,
): Promise<Stoppable> {
  const options = { ...around, command, env: environment };
  return isForeground ? pools.startForeground(words, options) : pools.startPool(words, options);
}

/** The same of both: all workers of every pool are asked, the first one's answer is compared. */
async function expectSame(
  { expected }: Placed,
  original: Stoppable,
  startAgain: () => Promise<Stoppable>,
  {
    without = /^$/,
    isOnlyWorkers = false,
    at = (pool: conversions.ExpectedPool): conversions.ExpectedPool => pool,
  } = {},
): Promise<void> {
  const look = async (find: typeof at): Promise<conversions.CompleteFacts[]> => {
    const all = [];
    for (const pool of expected.pools) {
      const [report] = await conversions.collectGiven(find(pool), 1);
      if (report) all.push(conversions.completeFacts(find(pool), report, without));
    }
    return all;
  };
  const theirs = await look(at);
  await original.stop();
  const ours = await startAgain();
  const own = await look((pool) => pool);
  await ours.stop();
  // Our own directory is the first one in PATH, so that ours is the one that runs.
  for (const facts of [...own, ...theirs]) delete facts.env['PATH'];
  if (isOnlyWorkers) for (const facts of [...own, ...theirs]) facts.socket = {};
  expect(own).toEqual(theirs);
}

/** What a script is called with, and what has to be another path here, where 1.6 is /usr/bin/spawn-fcgi. */
const scripts: readonly [string, string, readonly string[]][] = [
  ['command-line', 'one-line.sh', []],
  ['command-line', 'clusters.sh', []],
  ['command-line', 'continued.sh', []],
  ['command-line', 'php-fcgi.init', ['start']],
  ['command-line', 'runit.run', []],
  ['command-line', 'several.sh', []],
  ['command-line', 'ipv6.sh', []],
  ['command-line', 'default-address.sh', []],
  ['command-line', 'start-stop-daemon.init', ['start']],
  ['command-line', 'chroot.sh', []],
  ['command-line', 'socket-before-chroot.sh', []],
  ['command-line', 'relative.sh', []],
  ['multiwatch', 'behind-spawn-fcgi.sh', []],
  ['multiwatch', 'as-one-text.sh', []],
];

test.for(scripts)(
  '%s: %s gives workers what 1.6 and multiwatch gave them',
  async ([kind, file, words], ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, pools.referencePath, 'multiwatch', 'su');
    const placed = await place(kind, file);
    // Whoever a script runs as makes its socket there.
    chmodSync(placed.dir, 0o777);
    const script = readFileSync(placed.path, 'utf8').replaceAll('/usr/local/bin/', '/usr/bin/');
    const isForeground = placed.expected.pools.some(({ foreground }) => foreground);
    const original = await startShell(script, words, isForeground);
    await expectSame(placed, original, () => startOurs(placed), {
      // su makes its own.
      without: /^(?:OLDPWD|PWD|_|LOGNAME|MAIL|USER|SHELL|HOME|LANG|SHLVL)$/,
    });
  },
);

const ofSupervisord = ['tcp.conf', 'owner-and-mode.conf', 'with-includes.conf', 'environment-quotes.conf'];

test.for(ofSupervisord)('supervisord: %s gives workers what supervisord gave them', async (file, ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'supervisord');
  const placed = await place('supervisord', file);
  chmodSync(placed.dir, 0o777);
  const words = [
    '-n',
    '-c',
    placed.path,
    '-l',
    join(placed.dir, 'log'),
    '-j',
    join(placed.dir, 'pid'),
    '-q',
    placed.dir,
  ];
  const original = await startWith('/usr/bin/supervisord', words, true, env);
  await expectSame(placed, original, () => startOurs(placed), { without: /^SUPERVISOR_|^PWD$|^_$/ });
});

const ofLighttpd = ['15-fastcgi-php.conf', 'several.conf', 'with-includes.conf', 'conditional.conf'];

test.for(ofLighttpd)('lighttpd: %s gives workers what lighttpd gave them', async (file, ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'lighttpd');
  const placed = await place('lighttpd', file);
  chmodSync(placed.dir, 0o777);
  const whole = join(dirname(placed.path), 'whole.conf');
  const own = readFileSync(placed.path, 'utf8').replace(/^server\.modules[^)]*\)/m, '');
  const port = await machine.freePort();
  const root = /^server\.document-root/m.test(own) ? '' : 'server.document-root = "/srv"\n';
  const listen = `server.bind = "127.0.0.1"\nserver.port = ${port}\n`;
  writeFileSync(whole, `server.modules = ( "mod_fastcgi" )\n${root}${listen}${own}`);
  // Of its sockets only lighttpd has to know.
  const original = await startWith('/usr/sbin/lighttpd', ['-D', '-f', whole], true, {
    ...env,
    SHELL: '/bin/sh',
    USER: 'root',
  });
  const at = (pool: conversions.ExpectedPool): conversions.ExpectedPool =>
    pool.socket === undefined ? pool : { ...pool, socket: `${pool.socket}-0` };
  await expectSame(placed, original, () => startOurs(placed), {
    without: /^(?:PWD|_|PHP_FCGI_CHILDREN)$/,
    isOnlyWorkers: true,
    at,
  });
});

/** What a page says that differs by how PHP was started. */
const page = `<?php
$status = file_get_contents('/proc/self/status');
preg_match('/^Uid:\\s+(\\d+)/m', $status, $uid);
preg_match('/^Gid:\\s+(\\d+)/m', $status, $gid);
$ini = array_map('ini_get', ['memory_limit', 'display_errors', 'error_log', 'log_errors', 'sendmail_path']);
$names = ['PATH', 'GREETING', 'APP_KEY'];
echo json_encode(['uid' => $uid[1], 'gid' => $gid[1], 'ini' => $ini, 'env' => array_map('getenv', $names)]);
`;

test('php-fpm: values.conf gives pages under php-cgi what php-fpm gave them', async (ctx) => {
  machine.needRoot(ctx);
  const fpm = ['/usr/sbin/php-fpm8.2', '/usr/sbin/php-fpm8.4', '/usr/sbin/php-fpm8.3'].find((path) =>
    machine.findCommand(path),
  );
  if (fpm === undefined) return ctx.skip('needs php-fpm');
  machine.needCommands(ctx, 'php-cgi');
  const placed = await place('php-fpm', 'values.conf', '/usr/bin/php-cgi');
  const script = join(placed.dir, 'page.php');
  writeFileSync(script, page);
  const [{ socket = '' } = {}] = placed.expected.pools;
  const ask = async (): Promise<unknown> => {
    const words = ['request', socket, '/page.php', '--param', `SCRIPT_FILENAME=${script}`, '--json'];
    const { stdout } = await machine.runCommand(pools.ctlPath, words);
    return JSON.parse((JSON.parse(stdout) as { body: string }).body);
  };
  const settings = join(placed.dir, 'fpm.conf');
  writeFileSync(settings, `[global]\nerror_log = ${placed.dir}/fpm.log\ninclude = ${placed.path}\n`);
  const original = await startWith(fpm, ['-F', '-y', settings], true, { ...env, HOSTNAME: 'host' });
  await machine.waitFor('the socket of php-fpm', () => existsSync(socket));
  const theirs = await ask();
  await original.stop();
  const ours = await startOurs(placed);
  expect(await ask()).toEqual(theirs);
  await ours.stop();
});
