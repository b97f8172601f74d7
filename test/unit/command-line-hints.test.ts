// What in a command line is hardly meant as it stands, and what it says about that.
import { describe, expect, test } from 'vitest';
import { explainAddress, optionsFor, suspectSocket } from '../../src/command-line/hints/address-hints.ts';
import { explainMisplaced, suspectMisplaced } from '../../src/command-line/hints/misplaced-options.ts';
import { suspectOtherCommand } from '../../src/command-line/hints/other-command.ts';
import { readCommandLine } from '../../src/command-line/read-command-line.ts';
import type { StartRequest } from '../../src/command-line/request.ts';
import { suspectTyping } from '../../src/command-line/hints/typing-hints.ts';
import { SpawnFcgiError } from '../../src/core/errors.ts';
import { createProgram } from '../../src/ctl/program.ts';

function request(line: string, posixlyCorrect = false): StartRequest {
  const read = readCommandLine(line.split(' '), posixlyCorrect);
  if (read.kind !== 'start') throw new Error(`${line}: ${read.kind}`);
  return read;
}

describe('an option behind the name of the program', () => {
  test.each([
    ['-p 9000 php-cgi -d display_errors=1', '-d', '-p 9000 -- php-cgi -d display_errors=1'],
    ['-s x -n php-cgi -b 19472', '-b', '-s x -n -- php-cgi -b 19472'],
    ['-p 9000 php-cgi one -c x two -S', '-c, -S', '-p 9000 -- php-cgi one -c x two -S'],
    ['-s x app -p 80', '-p', '-s x -- app -p 80'],
    ['-p 9000 app -p 80', '-p', '-p 9000 -- app -p 80'],
    ['-p 9000 app --settle 3', '--settle', '-p 9000 -- app --settle 3'],
    ['-p 9000 app -d x -- -n', '-d', '-p 9000 -- app -d x -- -n'],
    ['app -p 9000 -b 3', '-b', '[options of spawn-fcgi] -- app [options of app]'],
  ])('that programs have, too, is told: %s', (line, flags, ready) => {
    expect(suspectMisplaced(request(line))).toStrictEqual([
      `${flags} after '${request(line).program[0]}' is taken as spawn-fcgi's own; if it is meant for the program, put -- before that: spawn-fcgi ${ready}`,
    ]);
  });

  test.each([
    '/usr/bin/php-cgi -p 9000 -a 127.0.0.1 -u www -g www -P /run/x',
    '/usr/bin/php-cgi -s x -M 0666 -F 4 -n',
    '-a 127.0.0.1 app -p 9000',
    '-n app -p 9000 -n',
    '-p 9000 -- php-cgi -d x -b 3',
    '-p 9000 -b 3 app x',
    '-f app -p 9000 -b 3',
  ])('that real scripts write there on purpose is not: %s', (line) => {
    expect(suspectMisplaced(request(line))).toStrictEqual([]);
  });

  test.each(['app', 'app x', '-p 9000 app', '-p 9000 -- app -n', '-- app'])('is not there: %s', (line) => {
    expect(request(line).placement).toBeUndefined();
  });

  test("is the program's own with POSIXLY_CORRECT", () => {
    expect(suspectMisplaced(request('-p 9000 php-cgi -d x=1', true))).toStrictEqual([]);
  });

  test.each([
    ['app -p 9000 -u nouser', "can't find user name nouser", '-u'],
    ['-p 9000 app -P /no/file', "opening PID-file '/no/file' failed: No such file or directory", '-P'],
  ])('that a refusal is about is told: %s', (line, message, flag) => {
    expect(explainMisplaced(new SpawnFcgiError(message), request(line))[0]).toContain(
      `${flag} after 'app' is taken`,
    );
  });

  test('that a refusal is not about is not', () => {
    const error = new SpawnFcgiError('bind failed: Address already in use');
    expect(explainMisplaced(error, request('app -p 9000 -u www'))).toStrictEqual([]);
  });

  test('of -f belongs into the value of -f', () => {
    const error = new SpawnFcgiError("chdir('display_errors=1') failed: No such file or directory");
    expect(explainMisplaced(error, request('-p 9000 -f php-cgi -d display_errors=1'))).toStrictEqual([
      "-d is spawn-fcgi's own; what the command of -f shall get belongs into its value: -f 'php-cgi -d display_errors=1'",
    ]);
  });
});

describe('an address as others write it', () => {
  test.each([
    ['unix:/run/x.sock', '-s /run/x.sock'],
    ['unix:///run/x.sock', '-s /run/x.sock'],
    ['unix:x.sock', '-s x.sock'],
    ['/run/x.sock', '-s /run/x.sock'],
    ['[::1]', '-a ::1'],
    ['[::1]:9000', '-a ::1 -p 9000'],
    ['127.0.0.1:9000', '-a 127.0.0.1 -p 9000'],
    ['tcp://localhost:9000', '-a localhost -p 9000'],
    ['tcp:127.0.0.1:9000', '-a 127.0.0.1 -p 9000'],
    ['fcgi://127.0.0.1:9000/', '-a 127.0.0.1 -p 9000'],
    [':9000', '-p 9000'],
    ['*:9000', '-p 9000'],
    ['::1', undefined],
    ['a:b', undefined],
    ['', undefined],
  ])('%s has the options %s', (text, options) => {
    expect(optionsFor(text)).toBe(options);
  });

  test.each([
    'unix:/run/x',
    'tcp:127.0.0.1:9000',
    '@x',
    '9000',
    ':9000',
    'localhost:9000',
    '$SOCKET',
    '${A}',
  ])('is hardly meant for a path: %s', (socket) => {
    expect(suspectSocket({ socket })).toHaveLength(1);
  });

  test.each(['/run/x', 'x.sock', './9000', '/run/a:9000', 'run/a@b', './$SOCKET', undefined])(
    'is not found in a path: %s',
    (socket) => {
      expect(suspectSocket(socket === undefined ? {} : { socket })).toStrictEqual([]);
    },
  );

  test('of which only the port is missing keeps the one that was given', () => {
    const hints = explainAddress({ address: '[::1]', port: '9000' }, "'[::1]' is not a valid IP address");
    expect(hints).toStrictEqual(["'[::1]' is written -a ::1 -p 9000"]);
  });

  test.each([
    ['127.0.0.1:9000', ["'127.0.0.1:9000' is written -a 127.0.0.1 -p 9000"]],
    ['unix:/run/x', ["'unix:/run/x' is written -s /run/x"]],
    ['75000', []],
    ['9000x', []],
  ])('is told from a mistyped port: %s', (port, hints) => {
    expect(explainAddress({ port }, 'invalid port: 0')).toStrictEqual(hints);
  });
});

test('a carriage return, a typographic dash and a single one are told, but not behind --', () => {
  expect(suspectTyping(['-p', '9000\r'])[0]).toContain("'9000' has a carriage return behind it");
  expect(suspectTyping(['–p', '9000'])[0]).toContain("'–p' begins with a typographic dash");
  expect(suspectTyping(['-stop-timeout=3'])[0]).toContain('write --stop-timeout=3');
  expect(suspectTyping(['-p9000', '-nu', 'www', '--', 'app', '—', '-port'])).toStrictEqual([]);
});

describe('a command of spawn-fcgictl', () => {
  const names = createProgram().commands.map((command) => command.name());

  test.each(names.filter((name) => name !== 'completion'))(
    'is told in the place of an address: %s',
    (name) => {
      expect(suspectOtherCommand(request(`${name} /run/app.sock`))).toStrictEqual([
        `'${name}' is a command of spawn-fcgictl: spawn-fcgictl ${name} /run/app.sock`,
      ]);
    },
  );

  test.each(['-p 9000 status', '-s x -- stop', '/srv/status'])('may be the name of a program: %s', (line) => {
    expect(suspectOtherCommand(request(line))).toStrictEqual([]);
  });
});
