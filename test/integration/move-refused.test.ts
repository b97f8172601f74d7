// --replace where somebody looks after who holds the socket, or may do so: named with PID and reason, and left alone.
import * as fs from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";
const moving = ['--replace', '--settle', '100ms', '--min-uptime', '100ms'];

beforeEach((ctx) => machine.needCommands(ctx, pools.referencePath));

/** The hints of a start that must be refused, and has changed nothing. */
async function refusal(
  place: pools.Place,
  options: readonly string[] = [],
  how: pools.StartOptions = {},
  line = IN_USE,
): Promise<string> {
  const before = fs.readdirSync(place.runDir);
  const result = await pools.run(place, [...moving, ...options], ['serve'], how);
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(pools.withoutHints(result.stderr)).toBe(line);
  expect(fs.readdirSync(place.runDir)).toEqual(before);
  return pools.hintsOf(result.stderr).join('\n');
}

function isAccepted(place: pools.Place): Promise<boolean> {
  return machine.waitFor('an answer', () =>
    pools.visit({ path: place.socket }).then(
      () => true,
      () => false,
    ),
  );
}

/** Starts what supervises in its own way, until the test ends. */
async function supervise(place: pools.Place, command: string, args: readonly string[]): Promise<number> {
  const { pid } = pools.startForeground(args, {
    command: machine.findCommand(command) ?? command,
    cwd: place.dir,
  });
  await isAccepted(place);
  return pid;
}

test('multiwatch, which 1.6 has started', async (ctx) => {
  machine.needCommands(ctx, 'multiwatch');
  const place = pools.makePlace();
  const command = ['--', machine.findCommand('multiwatch') ?? '', '-f', '2', '--', place.app, 'serve'];
  const old = await pools.startPool(['-s', place.socket, ...command], { command: pools.referencePath });
  await isAccepted(place);
  expect(await refusal(place)).toContain(`PID ${old.pid} (multiwatch) starts workers itself`);
  // Nor is it offered.
  const plain = await pools.run(place);
  expect(plain.stderr).toContain(`is held by PID ${old.pid} (multiwatch)`);
  expect(plain.stderr).not.toContain('--replace');
  await pools.visit({ path: place.socket });
});

test('a script that starts its worker again and again, which 1.6 has started', async () => {
  const place = pools.makePlace();
  const script = join(place.dir, 'again');
  fs.writeFileSync(script, `#!/bin/sh\nwhile :; do '${place.app}' serve; done\n`, { mode: 0o755 });
  const old = await pools.startPool(['-s', place.socket, '--', script], { command: pools.referencePath });
  await isAccepted(place);
  expect(await refusal(place)).toContain(`PID ${old.pid} (again) starts workers itself`);
  expect(machine.isAlive(old.pid)).toBe(true);
});

test('a loop around -n', async () => {
  const place = pools.makePlace();
  const loop = `while :; do '${pools.referencePath}' -n -s '${place.socket}' -- '${place.app}' serve; done`;
  const pid = await supervise(place, 'sh', ['-c', loop]);
  expect(await refusal(place)).toMatch(
    new RegExp(String.raw`PID \d+ \(app\) was started by PID ${pid} \(sh\)`),
  );
  await pools.visit({ path: place.socket });
});

test('who is nobody we know, but the parent of a worker that has all that one of 1.6 has', async (ctx) => {
  machine.needCommands(ctx, 'setsid', 'timeout');
  const place = pools.makePlace();
  const worker = `setsid '${pools.referencePath}' -n -s '${place.socket}' -- '${place.app}' serve`;
  const pid = await supervise(place, 'sh', ['-c', `exec timeout 60 ${worker} >/dev/null 2>&1`]);
  expect(await refusal(place)).toMatch(
    new RegExp(String.raw`PID \d+ \(app\) was started by PID ${pid} \(timeout\)`),
  );
});

test('supervisord', async (ctx) => {
  machine.needCommands(ctx, 'supervisord');
  const place = pools.makePlace();
  const program = `[fcgi-program:app]\nsocket=unix://${place.socket}\ncommand=${place.app} serve\nautostart=true\n`;
  const config = join(place.dir, 'supervisord.conf');
  const own = `logfile=${place.dir}/log\npidfile=${place.dir}/pid\nchildlogdir=${place.dir}\nnodaemon=true\nuser=root\n`;
  fs.writeFileSync(
    config,
    `[supervisord]\n${machine.isRoot ? own : own.replace('user=root\n', '')}${program}`,
  );
  const pid = await supervise(place, 'supervisord', ['-c', config]);
  expect(await refusal(place)).toContain(`PID ${pid} (supervisord)`);
  await pools.visit({ path: place.socket });
});

test('php-fpm', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'php-fpm8.2');
  const place = pools.makePlace();
  const config = join(place.dir, 'fpm.conf');
  const pool = `[www]\nuser=nobody\ngroup=nogroup\nlisten=${place.socket}\npm=static\npm.max_children=2\n`;
  fs.writeFileSync(config, `[global]\nerror_log=${place.dir}/log\n${pool}`);
  const pid = await supervise(place, 'php-fpm8.2', ['-F', '-y', config]);
  expect(await refusal(place)).toContain(`PID ${pid} (php-fpm8.2)`);
});

test('a program that has opened the socket itself', async () => {
  const place = pools.makePlace();
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(place.socket, resolve));
  machine.atEnd(() => void server.close());
  expect(await refusal(place)).toContain(`PID ${process.pid} (`);
});

test('workers of another user, with the way out', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const old = await pools.startBy16(place, ['-F', '2', '-u', 'nobody', '-g', 'nogroup']);
  const hints = await refusal(place, ['-u', 'daemon', '-g', 'daemon']);
  for (const pid of old.pids) expect(hints).toContain(`PID ${pid} (app) runs as nobody`);
  expect(hints).toContain('-u nobody first');
  expect(hints).not.toContain('supervisorctl');
  expect(await refusal(place)).toContain('-u nobody first');
});

test('what may not be looked into', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  await pools.startBy16(place, ['-M', '0666']);
  const who = { uid: machine.NOBODY, gid: machine.NOBODY };
  fs.chmodSync(place.dir, 0o777);
  const result = await pools.run(place, moving, ['serve'], who);
  expect(result).toMatchObject({ status: 255, stdout: '' });
  expect(pools.withoutHints(result.stderr)).toBe(IN_USE);
});

test('whose socket may not be borrowed, as under Yama: the PIDs are named', async (ctx) => {
  machine.needTracing(ctx);
  machine.needCommands(ctx, 'strace');
  const place = pools.makePlace();
  const old = await pools.startBy16(place, ['-F', '2']);
  const trace = ['-f', '-qq', '-o', join(place.dir, 'trace'), '-e', 'trace=pidfd_getfd'];
  const fault = ['-e', 'inject=pidfd_getfd:error=EPERM', pools.oursPath, ...pools.commandLine(place, moving)];
  const refused = await machine.runCommand('strace', [...trace, ...fault], { cwd: place.dir });
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(pools.withoutHints(refused.stderr)).toBe(IN_USE);
  expect(refused.stderr).toContain(`PID ${old.pids.join(' ')} (pidfd_getfd: Operation not permitted)`);
  expect(old.pids.every((pid) => machine.isAlive(pid))).toBe(true);
});

test('another address of the port', async () => {
  const place = pools.makePlace();
  const port = String(await machine.freePort());
  const old = await pools.startBy16(place, [], ['serve'], { address: ['-a', '127.0.0.1', '-p', port] });
  const line = 'spawn-fcgi: bind failed: Address already in use';
  const hints = await refusal(place, [], { address: ['-p', port] }, line);
  expect(hints).toContain(`PID ${old.pid} (app), which listens on another address of that port`);
});

test('who may be a child of the first process of a container', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', 'setsid');
  const place = pools.makePlace();
  const old = `setsid '${pools.referencePath}' -n -s '${place.socket}' -- '${place.app}' serve`;
  const ours = pools.commandLine(place, moving).map((word) => `'${word}'`);
  const script = `${old} & until grep -q ' 00010000 .*${place.socket}' /proc/net/unix; do :; done; '${pools.oursPath}' ${ours.join(' ')}; echo $?`;
  const shell = ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', script];
  const result = await machine.runCommand('unshare', shell);
  expect(result.stdout.trim()).toBe('255');
  expect(result.stderr).toMatch(/PID \d+ \(\S+\) may be a child of PID 1 \(sh\)/);
});
