// The command line as getopt would read it: clusters, permutation, `--`, and the lines for what is wrong.
import { describe, expect, test } from 'vitest';
import { SpawnFcgiError } from '../../src/core/errors.ts';
import { supervisorOptions, type RawOptions } from '../../src/command-line/options.ts';
import { readCommandLine } from '../../src/command-line/read-command-line.ts';

/** Arguments are written as one line; `''` is an empty one. */
const words = (line: string): string[] =>
  line === '' ? [] : line.split(' ').map((word) => (word === "''" ? '' : word));

function read(line: string, posixlyCorrect = false): { options: RawOptions; program: readonly string[] } {
  const request = readCommandLine(words(line), posixlyCorrect);
  if (request.kind !== 'start') throw new Error(`${line}: ${request.kind}`);
  return { options: request.options, program: request.program };
}

function refusalOf(line: string): SpawnFcgiError {
  try {
    readCommandLine(words(line), false);
  } catch (error) {
    if (error instanceof SpawnFcgiError) return error;
    throw error;
  }
  throw new Error(`accepted: ${line}`);
}

describe('every option', () => {
  test.each<[string, RawOptions]>([
    ['-f x', { command: 'x' }],
    ['--command x', { command: 'x' }],
    ['-d x', { chdir: 'x' }],
    ['--chdir x', { chdir: 'x' }],
    ['-a x', { address: 'x' }],
    ['--address x', { address: 'x' }],
    ['-p x', { port: 'x' }],
    ['--port x', { port: 'x' }],
    ['-s x', { socket: 'x' }],
    ['--socket x', { socket: 'x' }],
    ['-M x', { socketMode: 'x' }],
    ['--socket-mode x', { socketMode: 'x' }],
    ['-U x', { socketUser: 'x' }],
    ['--socket-user x', { socketUser: 'x' }],
    ['-G x', { socketGroup: 'x' }],
    ['--socket-group x', { socketGroup: 'x' }],
    ['--control-group x', { controlGroup: 'x' }],
    ['-C x', { phpChildren: 'x' }],
    ['--php-children x', { phpChildren: 'x' }],
    ['-F x', { workers: 'x' }],
    ['--workers x', { workers: 'x' }],
    ['--env x', { env: ['x'] }],
    ['--env x --env=y', { env: ['x', 'y'] }],
    ['-b x', { backlog: 'x' }],
    ['--backlog x', { backlog: 'x' }],
    ['-P x', { pidFile: 'x' }],
    ['--pid-file x', { pidFile: 'x' }],
    ['-n', { foreground: true }],
    ['--foreground', { foreground: true }],
    ['-c x', { chroot: 'x' }],
    ['--chroot x', { chroot: 'x' }],
    ['-S', { socketBeforeChroot: true }],
    ['--socket-before-chroot', { socketBeforeChroot: true }],
    ['-u x', { user: 'x' }],
    ['--user x', { user: 'x' }],
    ['-g x', { group: 'x' }],
    ['--group x', { group: 'x' }],
    ['--supervise', { supervise: true }],
    ['--no-supervise', { supervise: false }],
    ['--name x', { name: 'x' }],
    ['--state-dir x', { stateDir: 'x' }],
    ['--stop-timeout x', { stopTimeout: 'x' }],
    ['--min-uptime x', { minUptime: 'x' }],
    ['--restart-delay x', { restartDelay: 'x' }],
    ['--restart-max-delay x', { restartMaxDelay: 'x' }],
    ['--start-limit x', { startLimit: 'x' }],
    ['--worker-pid-file x', { workerPidFile: 'x' }],
    ['--output x', { output: 'x' }],
    ['--log x', { log: 'x' }],
    ['--status-socket x', { statusSocket: 'x' }],
    ['--oom-score-adj -5', { oomScoreAdj: '-5' }],
    ['--log-format x', { logFormat: 'x' }],
    ['', {}],
  ])('%s', (line, options) => {
    expect(read(line)).toStrictEqual({ options, program: [] });
    expect(read(`${line} app`.trim())).toStrictEqual({ options, program: ['app'] });
  });

  test.each(supervisorOptions)('$key that needs a supervisor is called --$long', ({ key, long }) => {
    if (key === 'replace') expect(read(`--${long}`).options).toStrictEqual({ replace: true });
    else expect(read(`--${long} x`).options).toStrictEqual({ [key]: 'x' });
  });
});

describe('spellings', () => {
  test.each<[string, RawOptions, string[]]>([
    ['-p9000 app', { port: '9000' }, ['app']],
    ['-nu www-data app', { foreground: true, user: 'www-data' }, ['app']],
    ['-nSp9000 app', { foreground: true, socketBeforeChroot: true, port: '9000' }, ['app']],
    ['-np 9000 app', { foreground: true, port: '9000' }, ['app']],
    ['-p=80 app', { port: '=80' }, ['app']],
    ['--port=9000 app', { port: '9000' }, ['app']],
    ['--port= app', { port: '' }, ['app']],
    ["-P '' app", { pidFile: '' }, ['app']],
    ['-P -n app', { pidFile: '-n' }, ['app']],
    ['-f -- app', { command: '--' }, ['app']],
    ['--pid-file --foreground app', { pidFile: '--foreground' }, ['app']],
    ['-b -1 app', { backlog: '-1' }, ['app']],
    ['-b-1 app', { backlog: '-1' }, ['app']],
    ['-n -n app', { foreground: true }, ['app']],
    ['-p 1 -p 2 --port 3 app', { port: '3' }, ['app']],
    ['-s a --socket=b -sc app', { socket: 'c' }, ['app']],
    ['--supervise --no-supervise', { supervise: false }, []],
    ['--no-supervise --supervise', { supervise: true }, []],
    ['-p 1 -', { port: '1' }, ['-']],
    ["-p 1 ''", { port: '1' }, ['']],
    ['-p 1 help me', { port: '1' }, ['help', 'me']],
  ])('%s', (line, options, program) => {
    expect(read(line)).toStrictEqual({ options, program });
  });
});

describe('options after the program', () => {
  test.each<[string, RawOptions, string[]]>([
    ['app -p 9000', { port: '9000' }, ['app']],
    ['app one -p 9000 two -n', { port: '9000', foreground: true }, ['app', 'one', 'two']],
    ['-p 9000 app --name x arg', { port: '9000', name: 'x' }, ['app', 'arg']],
    ['-p 9000 -- app -n --name x', { port: '9000' }, ['app', '-n', '--name', 'x']],
    ['app -p 9000 -- -n', { port: '9000' }, ['app', '-n']],
    ['-p 9000 -- app -- -n', { port: '9000' }, ['app', '--', '-n']],
    ['-- -n', {}, ['-n']],
    ['-n --', { foreground: true }, []],
    ['-p 9000 -- app -v -h -?', { port: '9000' }, ['app', '-v', '-h', '-?']],
  ])('are ours up to --: %s', (line, options, program) => {
    expect(read(line)).toStrictEqual({ options, program });
  });

  test.each<[string, RawOptions, string[]]>([
    ['app -p 9000', {}, ['app', '-p', '9000']],
    ['-p 9000 app -n -x --bogus', { port: '9000' }, ['app', '-n', '-x', '--bogus']],
    ['-p 9000 app -- -n', { port: '9000' }, ['app', '--', '-n']],
    ['-p 9000 -- app -n', { port: '9000' }, ['app', '-n']],
    ['-p 9000 app -v', { port: '9000' }, ['app', '-v']],
    ['-p 9000 - -v', { port: '9000' }, ['-', '-v']],
  ])("are the program's with POSIXLY_CORRECT: %s", (line, options, program) => {
    expect(read(line, true)).toStrictEqual({ options, program });
  });
});

describe('-v and -h', () => {
  test.each([
    ['-v', 'version'],
    ['--version', 'version'],
    ['-h', 'help'],
    ['--help', 'help'],
    ['-?', 'help'],
    ['-vh', 'version'],
    ['-hv', 'help'],
    ['-v -h', 'version'],
    ['-? -v', 'help'],
    ['-nv', 'version'],
    ['-np 80 -h', 'help'],
    ['app -v', 'version'],
    ['-v -x', 'version'],
    ['-h --bogus', 'help'],
    ['-v -p', 'version'],
  ])('%s shows the %s', (line, kind) => {
    expect(readCommandLine(words(line), false)).toStrictEqual({ kind });
  });

  test.each([
    ['-x -v', "invalid option -- 'x'"],
    ['-xv', "invalid option -- 'x'"],
    ['--bogus -h', "unrecognized option '--bogus'"],
    ['app -x -v', "invalid option -- 'x'"],
  ])('come too late after a mistake: %s', (line, message) => {
    expect(refusalOf(line).message).toBe(message);
  });

  test.each(['-p -v', '-nP -h', '--name --help', '-f-v'])('are a value where one is due: %s', (line) => {
    expect(readCommandLine(words(line), false).kind).toBe('start');
  });
});

describe('a mistake', () => {
  test.each([
    ['-x', "invalid option -- 'x'"],
    ['-nx', "invalid option -- 'x'"],
    ['-p 80 app -x', "invalid option -- 'x'"],
    ['-nxp 80', "invalid option -- 'x'"],
    ['-1', "invalid option -- '1'"],
    ['-n1', "invalid option -- '1'"],
    ['-n80 app', "invalid option -- '8'"],
    ['-p 80 app -5', "invalid option -- '5'"],
    ['-p 80 app -.5', "invalid option -- '.'"],
    ['--bogus', "unrecognized option '--bogus'"],
    ['--foreground=1', "option '--foreground' doesn't allow an argument"],
    ['--no-supervise=x', "option '--no-supervise' doesn't allow an argument"],
    ['--bogus=1', "unrecognized option '--bogus=1'"],
    ['--por 80', "unrecognized option '--por'"],
    ['--Port 80', "unrecognized option '--Port'"],
    ["--it's", "unrecognized option '--it's'"],
    ['---', "unrecognized option '---'"],
    ['--no-foreground', "unrecognized option '--no-foreground'"],
    ['--no-port', "unrecognized option '--no-port'"],
    ['-p', "option requires an argument -- 'p'"],
    ['-np', "option requires an argument -- 'p'"],
    ['app -f', "option requires an argument -- 'f'"],
    ['--port', "option '--port' requires an argument"],
    ['-n --log-format', "option '--log-format' requires an argument"],
  ])('is one line as getopt writes it: %s', (line, message) => {
    const error = refusalOf(line);
    expect(error.message).toBe(message);
    expect(error.exitCode).toBe(255);
  });

  test.each([
    ['é', '-é', '2dc3a9', '\udcc3'],
    ['€', '-n€', '2d6ee282ac', '\udce2'],
    ['no character', '-\ufffd', '2dff', '\udcff'],
    ['a control character of eight-bit terminals', '-n\ufffd', '2d6e9b', '\x9b'],
  ])('in a letter that is %s quotes its first byte, as 1.6 does', (_name, argument, hex, byte) => {
    const bytes = [Buffer.from('-S'), Buffer.from(hex, 'hex')];
    expect(() => readCommandLine(['-S', argument], false, () => bytes)).toThrow(
      expect.objectContaining({ message: `invalid option -- '${byte}'` }),
    );
  });

  test.each([
    ['--por=80', "unrecognized option '--por=80'"],
    ['--port --por', undefined],
    ['-n --por', "unrecognized option '--por'"],
    ['--foregr=1', "unrecognized option '--foregr=1'"],
  ])('is a beginning of a name, whatever else is wrong with it: %s', (line, message) => {
    if (message === undefined) expect(read(line).options).toStrictEqual({ port: '--por' });
    else expect(refusalOf(line).message).toBe(message);
  });

  test.each([
    ['--wrokers 3', 'did you mean --workers?'],
    ['--worker 3', 'did you mean --workers?'],
    ['--pidfile x', 'did you mean --pid-file?'],
    ['--state_dir=x', 'did you mean --state-dir?'],
    ['--Port 80', 'did you mean --port?'],
    ['--restart', 'did you mean --restart-delay?'],
    ['-workers 3', "'-workers' is read as single letters: write --workers"],
  ])('in the name of an option names the nearest one: %s', (line, expected) => {
    expect(refusalOf(line).hints).toContain(expected);
  });

  test.each(['--bogus', '--daemonize', '--x', '-x', '-nx'])(
    'that is near to no option names none: %s',
    (line) => {
      expect(refusalOf(line).hints).toStrictEqual(['spawn-fcgi -h lists the options']);
    },
  );

  test('in the name of an option points to the list', () => {
    expect(refusalOf('-x').hints).toStrictEqual(['spawn-fcgi -h lists the options']);
    expect(refusalOf('-p').hints).toStrictEqual([]);
  });

  const hint = (program: string, line: string): string =>
    `options after '${program}' are taken as spawn-fcgi's own; put -- before the program: spawn-fcgi ${line}`;

  test.each([
    ['-p 80 fcgiwrap -f', hint('fcgiwrap', '-p 80 -- fcgiwrap -f')],
    ['-np80 fcgiwrap -x', hint('fcgiwrap', '-np80 -- fcgiwrap -x')],
    ['-np 80 app one --bogus', hint('app', '-np 80 -- app one --bogus')],
    ['--port 80 --name=x app --bogus', hint('app', '--port 80 --name=x -- app --bogus')],
    ['--port=80 app -z', hint('app', '--port=80 -- app -z')],
    ['app -p', hint('app', '-- app -p')],
  ])('among the options of a program says where -- belongs: %s', (line, expected) => {
    expect(refusalOf(line).hints[0]).toBe(expected);
  });

  test.each(['-x app', '-p 80 -x -- app -y', '-x -p 80', '-n -x app arg', '-p'])(
    'before the program says nothing of --: %s',
    (line) => {
      expect(refusalOf(line).hints.join(' ')).not.toContain('--');
    },
  );
});
