// `spawn-fcgictl logs` of events that syslog or systemd's journal has.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LogPlace } from '../../src/core/log-target.ts';
import { writeState } from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { makeTempDir } = machine;
const { ctl, ctlPath, oursPath } = pools;
const target = '127.0.0.1:9000';

/** A pool that is this process, and has said that its events go there. */
function poolWithLog(log: LogPlace): string {
  const stateDir = pools.makeStateDir();
  writeState(stateDir, target, { memories: { log } });
  return stateDir;
}

describe('of events in syslog', () => {
  const mine = (text: string): string => `Nov 29 00:00:01 host spawn-fcgi/php-cgi[${process.pid}]: ${text}\n`;

  /** The command with a /var/log and a /run of its own. */
  function inPlace(
    varLog: string,
    run: string,
    env: Record<string, string>,
    ...args: string[]
  ): Promise<machine.RunResult> {
    const script = 'mount --bind "$0" /var/log && mount --bind "$1" /run && shift && exec "$@"';
    const words = ['--mount', 'sh', '-c', script, varLog, run, ctlPath, ...args];
    return machine.runCommand('unshare', words, { env: { ...process.env, ...env } });
  }

  test('reads what a syslogd has written, the lines of this very supervisor', async (ctx) => {
    machine.needRoot(ctx);
    const [varLog, run] = [makeTempDir(), makeTempDir()];
    const stateDir = poolWithLog({ kind: 'syslog' });
    const args = ['--state-dir', stateDir, 'logs', target];
    const nowhere = await inPlace(varLog, run, {}, ...args);
    expect(nowhere).toMatchObject({ status: 1, stdout: '' });
    expect(nowhere.stderr).toContain(
      `its events go to syslog as spawn-fcgi/php-cgi[${process.pid}], and none is in /var/log/syslog, /var/log/messages`,
    );
    const others = `Nov 29 00:00:01 host spawn-fcgi/php-cgi[1]: of another pool\n`.repeat(5000);
    writeFileSync(join(varLog, 'syslog'), 'Nov 29 00:00:01 host sshd[1]: nothing of ours\n');
    writeFileSync(join(varLog, 'messages'), mine('one') + others + mine('two') + others + mine('three'));
    expect(await inPlace(varLog, run, {}, ...args, '-n', '2')).toMatchObject({
      status: 0,
      stdout: mine('two') + mine('three'),
      stderr: '',
    });
  });

  test('asks journalctl first, for the tag and the PID', async (ctx) => {
    machine.needRoot(ctx);
    const [varLog, run, bin] = [makeTempDir(), makeTempDir(), makeTempDir()];
    mkdirSync(join(run, 'systemd/journal'), { recursive: true });
    writeFileSync(join(bin, 'journalctl'), '#!/bin/sh\necho "$@"\nexit $STATUS\n', { mode: 0o755 });
    const stateDir = poolWithLog({ kind: 'syslog' });
    writeFileSync(join(varLog, 'syslog'), mine('in the file'));
    const ask = (STATUS: string): Promise<machine.RunResult> => {
      const env = { PATH: `${bin}:${process.env['PATH']}`, STATUS };
      return inPlace(varLog, run, env, '--state-dir', stateDir, 'logs', target, '-n', 'all');
    };
    expect(await ask('0')).toMatchObject({
      status: 0,
      stdout: `--no-pager --quiet -n all -t spawn-fcgi/php-cgi _PID=${process.pid}\n`,
      stderr: '',
    });
    expect(await ask('1')).toMatchObject({ status: 0, stdout: mine('in the file'), stderr: '' });
  });
});

test('events in the journal are those of the supervisor, and a failure of journalctl is one of ours', async () => {
  const bin = makeTempDir();
  writeFileSync(join(bin, 'journalctl'), '#!/bin/sh\necho "$@"\nexit 3\n');
  chmodSync(join(bin, 'journalctl'), 0o755);
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
  const result = await ctl(poolWithLog({ kind: 'journal' }), ['logs', '-f', target], { env });
  expect(result).toMatchObject({
    status: 1,
    stdout: `--no-pager --quiet -n 10 -f _PID=${process.pid}\n`,
    stderr: '',
  });
});

const journald = '/lib/systemd/systemd-journald';

/** A journald in namespaces of its own, and a pool whose standard error it has; ends with the script. */
const withJournal = `
set -e
mount -t tmpfs journal /run
mount --bind "$1" /var/log
mkdir -p /run/systemd/journal
${journald} 2>/dev/null &
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
ctl=$2; dir=$3; shift 3
systemd-cat "$@" &
until "$ctl" --state-dir "$dir/state" logs "$dir/app.sock" 2>/dev/null | grep -q 'pool up'; do sleep 0.1; done
"$ctl" --state-dir "$dir/state" logs -n 1 "$dir/app.sock"
"$ctl" --state-dir "$dir/state" stop "$dir/app.sock"`;

test('of a pool whose standard error systemd has, events are found in the real journal', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, journald, 'journalctl', 'systemd-cat');
  const [varLog, dir] = [makeTempDir(), makeTempDir()];
  const place = pools.makePlace();
  const own = ['-n', '--supervise', '-s', join(dir, 'app.sock'), '--state-dir', join(dir, 'state')];
  const words = [varLog, ctlPath, dir, oursPath, ...own, '--', place.app, 'serve'];
  const namespaces = ['--pid', '--fork', '--kill-child', '--mount-proc', '--mount'];
  const result = await machine.runCommand('unshare', [
    ...namespaces,
    'sh',
    '-c',
    withJournal,
    'sh',
    ...words,
  ]);
  expect(result).toMatchObject({ status: 0 });
  expect(result.stdout).toMatch(/ spawn-fcgi\[\d+\] app: pool up on .* with 1 worker\nstopped\n$/);
});
