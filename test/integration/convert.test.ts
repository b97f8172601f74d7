// The command spawn-fcgictl convert: what it prints and where, its statuses, and what it does with files that are none.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeTempDir, needRoot, NOBODY, runCommand, type RunResult } from '../helpers/machine/index.ts';
import { ctlPath } from '../helpers/pool/index.ts';

function convert(args: readonly string[], input?: string): Promise<RunResult> {
  return runCommand(ctlPath, ['convert', ...args], input === undefined ? {} : { input });
}

function fileOf(text: string | Uint8Array, name = 'input'): string {
  const path = join(makeTempDir(), name);
  writeFileSync(path, text);
  return path;
}

const line = 'spawn-fcgi -s /run/app.sock -u www-data -F 2 -- /srv/app --title "a b"\n';

describe('what it prints', () => {
  test('a command with its place above it, and 0', async () => {
    expect(await convert(['-'], line)).toMatchObject({
      status: 0,
      stdout: "# standard input:1\nspawn-fcgi -s /run/app.sock -u www-data -F 2 -- /srv/app --title 'a b'\n",
      stderr: '',
    });
  });

  test('what is not carried over above its command, its number on stderr, and 1', async () => {
    const { status, stdout, stderr } = await convert(['-'], 'spawn-fcgi -p 9000 -b $(cat /x) -- /srv/app\n');
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^# NOT CARRIED OVER: -b \$\(cat \/x\)[^\n]*\nspawn-fcgi -p 9000 -- \/srv\/app\n/m,
    );
    expect(stderr).toMatch(/^spawn-fcgictl: 1 thing is not carried over/);
  });

  test('JSON with the words of the command', async () => {
    const { stdout } = await convert(['--json', '-'], line);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'command-line',
      pools: [
        {
          name: 'app',
          arguments: ['-s', '/run/app.sock', '-u', 'www-data', '-F', '2', '--', '/srv/app', '--title', 'a b'],
        },
      ],
    });
  });

  test('one of several pools, by its name', async () => {
    const two = 'spawn-fcgi -p 9000 -- /srv/one\nspawn-fcgi -p 9001 -- /srv/two\n';
    expect((await convert(['--pool', 'two', '-'], two)).stdout).toContain('-p 9001 -- /srv/two');
    expect(await convert(['--pool', 'three', '-'], two)).toMatchObject({ status: 4, stdout: '' });
  });
});

describe("uWSGI's worker-exec", () => {
  const ini = '[uwsgi]\nfastcgi-socket = /run/q.sock\nworker-exec = /usr/bin/qgis_mapserv.fcgi\nuid = 33\n';

  test('is a program on descriptor 0, and so the program', async () => {
    expect(await convert(['-'], ini)).toMatchObject({
      status: 0,
      stdout: '# standard input: [uwsgi]\nspawn-fcgi -s /run/q.sock -u 33 -- /usr/bin/qgis_mapserv.fcgi\n',
    });
  });

  test('gives way to --program', async () => {
    const { stdout } = await convert(['--program', '/srv/other --fast', '-'], ini);
    expect(stdout).toContain(' -- /srv/other --fast\n');
  });
});

describe('what it refuses', () => {
  const refused: [string, () => string, RegExp, number][] = [
    ['a file that is not there', () => '/nowhere/at/all', /no such file/, 255],
    ['a directory', () => makeTempDir(), /no file/, 255],
    ['a FIFO, without waiting', makeFifo, /no file/, 255],
    ['a binary', () => fileOf(new Uint8Array([127, 69, 76, 70, 0, 1])), /no text/, 255],
    ['10 MB', () => fileOf('# spawn-fcgi\n'.repeat(800_000)), /more than 1 MB/, 255],
    ['an empty file', () => fileOf(''), /cannot tell what/, 4],
    ['a file of something else', () => fileOf('[Desktop Entry]\nName=x\n'), /cannot tell what/, 4],
    [
      'a script without a pool',
      () => fileOf('#!/bin/sh\n# spawn-fcgi\nls spawn-fcgi\n'),
      /no FastCGI pool/,
      4,
    ],
  ];

  test.each(refused)('%s, in one line', async (_what, makeFile, message, status) => {
    const result = await convert([makeFile()]);
    expect(result.stderr).toMatch(message);
    expect(result.stderr.split('\n')).toHaveLength(2);
    expect(result).toMatchObject({ status, stdout: '' });
  });

  test('a kind that is none, and two forms at once', async () => {
    expect(await convert(['--kind', 'apache', '-'], line)).toMatchObject({ status: 255, stdout: '' });
    expect(await convert(['--unit', '--json', '-'], line)).toMatchObject({ status: 255, stdout: '' });
  });
});

function makeFifo(): string {
  const path = join(makeTempDir(), 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

describe('what others have written', () => {
  test('cannot end a comment, or bring a control character to a terminal', async () => {
    const text =
      "spawn-fcgi -p 9000 --wrong 'x\ntouch /tmp/evil\n\u{1b}[2J' -- /srv/app\nA='\u{1b}]0;x' spawn-fcgi -p 9001 -P '/x\u{1b}' -- /srv/app '\u{1b}[1m'\n";
    const { status, stdout, stderr } = await convert(['-'], text);
    expect(status).toBe(1);
    expect(stdout.replaceAll('\n', '') + stderr.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    for (const row of stdout.split('\n')) expect(row).toMatch(/^(#|spawn-fcgi|$)/);
  });

  test('is not followed by root into files that others could choose', async (ctx) => {
    needRoot(ctx);
    const dir = makeTempDir();
    const secret = fileOf(
      '[fcgi-program:secret]\ncommand=/srv/secret\nsocket=unix:///run/secret.sock\n',
      'secret.ini',
    );
    writeFileSync(
      join(dir, 'mine.conf'),
      `[supervisord]\n[include]\nfiles = ${secret}\n[fcgi-program:mine]\ncommand=/srv/mine\nsocket=unix:///run/mine.sock\n`,
    );
    expect((await convert([join(dir, 'mine.conf')])).stdout).toContain('/srv/secret');
    chownSync(join(dir, 'mine.conf'), NOBODY, NOBODY);
    const { stdout, status } = await convert([join(dir, 'mine.conf')]);
    expect(status).toBe(1);
    expect(stdout).not.toContain('/srv/secret');
    expect(stdout).toMatch(/NOT CARRIED OVER: [^\n]*secret\.ini[^\n]*others than root/);
    expect(
      (
        await convert(
          ['-'],
          `[supervisord]\n[include]\nfiles = ${secret}\n[fcgi-program:mine]\ncommand=/x\nsocket=tcp://h:1\n`,
        )
      ).stdout,
    ).not.toContain('/srv/secret');
  });

  test('may be a megabyte of beginnings, and keeps nobody busy', async () => {
    const beginnings = '%('.repeat(450_000);
    const text = `[fcgi-program:x]\ncommand=/srv/x ${beginnings}\nsocket=tcp://127.0.0.1:9000\n`;
    const { status, stdout } = await convert([fileOf(text)]);
    expect(status).toBe(0);
    expect(stdout).toContain(beginnings);
  });

  test('may include a FIFO, itself, or nothing', async () => {
    const dir = makeTempDir();
    mkdirSync(join(dir, 'd'));
    execFileSync('mkfifo', [join(dir, 'd/a.conf')]);
    symlinkSync('../lighttpd.conf', join(dir, 'd/b.conf'));
    writeFileSync(
      join(dir, 'lighttpd.conf'),
      `server.username = "www-data"\ninclude "nothing.conf"\ninclude "d/*.conf"\nfastcgi.server = ( "/" => (( "socket" => "/run/x", "bin-path" => "/srv/x" )) )\n`,
    );
    const { stdout, status } = await convert([join(dir, 'lighttpd.conf')]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/a\.conf, which it includes: it is no file/);
    expect(stdout.match(/^spawn-fcgi -s \/run\/x -u www-data -d \/srv -F 4 -- \/srv\/x$/gm)).toHaveLength(1);
  });
});
