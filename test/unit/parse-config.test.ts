// From a command line to the configuration, or to the exact line that refuses it.
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/core/config.ts';
import { unlimited } from '../../src/core/worker-attributes.ts';
import { SpawnFcgiError } from '../../src/core/errors.ts';
import { readCommandLine } from '../../src/command-line/read-command-line.ts';
import { parseConfig } from '../../src/command-line/parse-config.ts';

type Line = string | readonly string[];

function configOf(line: Line, isRoot = true): Config {
  const args = typeof line === 'string' ? line.split(' ') : line;
  const request = readCommandLine(args, false);
  if (request.kind !== 'start') throw new Error(`shows the ${request.kind}`);
  return parseConfig(request.options, request.program, isRoot);
}

function refusalOf(line: Line, isRoot = true): SpawnFcgiError {
  try {
    configOf(line, isRoot);
  } catch (error) {
    if (error instanceof SpawnFcgiError) return error;
    throw error;
  }
  throw new Error(`accepted: ${line.toString()}`);
}

test('the shortest command line means all the defaults', () => {
  expect(configOf('-p 9000 app')).toStrictEqual({
    program: { kind: 'argv', argv: ['app'] },
    model: 'background',
    argv0: 'app',
    name: 'app',
    listen: { kind: 'tcp', host: undefined, port: 9000 },
    backlog: 1024,
    socketMode: undefined,
    socketUser: undefined,
    socketGroup: undefined,
    controlGroup: undefined,
    user: undefined,
    group: undefined,
    chroot: undefined,
    socketBeforeChroot: false,
    directory: undefined,
    workers: 1,
    spares: 0,
    range: { min: 1, max: 1 },
    processors: undefined,
    idleTimeoutMs: 60_000,
    variables: {},
    phpChildren: undefined,
    pidFile: undefined,
    workerPidFile: undefined,
    attributes: { limits: [], nice: undefined, umask: undefined, hasNoNewPrivileges: false },
    oomScoreAdj: undefined,
    replace: false,
    stateDir: undefined,
    stopTimeoutMs: 9000,
    stopMethod: 'auto',
    keepaliveQuietMs: 2000,
    ready: 'evidence',
    notifyFd: undefined,
    readyTimeoutMs: 60_000,
    settleMs: 5000,
    restart: { minUptimeMs: 1000, delayMs: 100, maxDelayMs: 30_000, startLimit: undefined },
    guards: {
      maxMemoryBytes: undefined,
      maxAgeMs: undefined,
      requestTimeoutMs: undefined,
      stuckSignal: undefined,
    },
    output: undefined,
    statusSocket: undefined,
    logFile: undefined,
    logFormat: 'human',
    hints: [],
  } satisfies Config);
});

test('the longest command line means what it says', () => {
  const line =
    '-f ignored -d /srv -s /run/a.sock -M 0600 -U su -G sg -C 4 -F 3 -b 7 -P /run/a.pid -n -c /jail -S -u u -g g ' +
    '--supervise --name boss --state-dir /state --stop-timeout 5s --min-uptime 2s --restart-delay 20ms ' +
    '--restart-max-delay 1m --start-limit 3/10s --max-memory 256M --max-age 6h --request-timeout 90s --stuck-signal usr1 --worker-pid-file /run/w-%i --oom-score-adj -5 --spare 0 --rlimit nofile=9 --rlimit as=1G:unlimited --rlimit nofile=7 --nice -3 --umask 27 --no-new-privileges --env A=1 --env B=%i= --env A=2 --output /var/log/out --status-socket /run/a.status --log /var/log/a --log-format json -- app -x';
  expect(configOf(line)).toStrictEqual({
    program: { kind: 'argv', argv: ['app', '-x'] },
    model: 'foreground',
    argv0: 'boss',
    name: 'boss',
    listen: { kind: 'unix', path: '/run/a.sock' },
    backlog: 7,
    socketMode: 0o600,
    socketUser: 'su',
    socketGroup: 'sg',
    controlGroup: undefined,
    user: 'u',
    group: 'g',
    chroot: '/jail',
    socketBeforeChroot: true,
    directory: '/srv',
    workers: 3,
    spares: 0,
    range: { min: 3, max: 3 },
    processors: undefined,
    idleTimeoutMs: 60_000,
    variables: { A: '2', B: '%i=' },
    phpChildren: 4,
    pidFile: '/run/a.pid',
    workerPidFile: '/run/w-%i',
    attributes: {
      limits: [
        { name: 'nofile', soft: 7n, hard: 7n },
        { name: 'as', soft: 1024n ** 3n, hard: unlimited },
      ],
      nice: -3,
      umask: 0o27,
      hasNoNewPrivileges: true,
    },
    oomScoreAdj: -5,
    replace: false,
    stateDir: '/state',
    stopTimeoutMs: 5000,
    stopMethod: 'auto',
    keepaliveQuietMs: 2000,
    ready: 'evidence',
    notifyFd: undefined,
    readyTimeoutMs: 60_000,
    settleMs: 5000,
    restart: {
      minUptimeMs: 2000,
      delayMs: 20,
      maxDelayMs: 60_000,
      startLimit: { count: 3, withinMs: 10_000 },
    },
    guards: {
      maxMemoryBytes: 268_435_456,
      maxAgeMs: 21_600_000,
      requestTimeoutMs: 90_000,
      stuckSignal: 'SIGUSR1',
    },
    output: { kind: 'file', pattern: '/var/log/out' },
    statusSocket: { kind: 'unix', path: '/run/a.status' },
    logFile: '/var/log/a',
    logFormat: 'json',
    hints: [],
  } satisfies Config);
});

describe('--spare', () => {
  test.each([
    ['--spare 0', 0],
    ['--spare 3', 3],
    ['--spare 0 --env A=%i', 0],
    ['--spare 1 --output |logger%i', 1],
    ['--spare 1 --worker-pid-file /run/w-%i', 1],
  ] as const)('%s', (line, count) => {
    expect(configOf(`-p 1 ${line} app`).spares).toBe(count);
  });

  test.each([
    ['--spare -1', "invalid number for --spare: '-1'"],
    ['--spare many', "invalid number for --spare: 'many'"],
    [
      '--spare 1 --env A=1 --env B=x%i',
      '--spare and %i in --env B exclude each other: a spare has no slot yet',
    ],
    ['--spare 1 --output /log/%i', '--spare and %i in --output exclude each other: a spare has no slot yet'],
    [
      '--spare 1 --no-supervise',
      '--no-supervise and --spare exclude each other: only a supervisor can do that',
    ],
  ])('%s is refused', (line, message) => {
    expect(() => configOf(`-p 1 ${line} app`)).toThrow(message);
  });

  test('needs a supervisor with -n, too', () => {
    expect(configOf('-p 1 -n --spare 1 app').model).toBe('foreground');
  });
});

describe('--env', () => {
  test.each<[readonly string[], Config['variables']]>([
    [['--env', 'A='], { A: '' }],
    [['--env', 'A B=c d'], { 'A B': 'c d' }],
    [['--env=A==b'], { A: '=b' }],
    [
      ['--env', 'NOTIFY_SOCKET=x', '--env', 'PHP_FCGI_CHILDREN=x'],
      { NOTIFY_SOCKET: 'x', PHP_FCGI_CHILDREN: 'x' },
    ],
    [['--env', '__proto__=x'], Object.fromEntries([['__proto__', 'x']])],
  ])('%j', (options, variables) => {
    expect(configOf(['-p', '1', ...options, 'app']).variables).toStrictEqual(variables);
  });

  test('needs no supervisor', () => {
    expect(configOf('-p 1 -n --env A=b app').model).toBe('exec');
    expect(configOf('-p 1 --no-supervise --env A=b app').model).toBe('unsupervised');
  });

  test.each(['A', '', '=b', 'A=b\0c'])('%j is refused', (value) => {
    expect(() => configOf(['-p', '1', '--env', value, 'app'])).toThrow(`invalid value for --env: '${value}'`);
  });
});

describe('the program', () => {
  test.each<[Line, Config['program']]>([
    ['-p 1 app a b', { kind: 'argv', argv: ['app', 'a', 'b'] }],
    [['-p', '1', '-f', 'app -x'], { kind: 'shell', command: 'app -x' }],
    ['-p 1 -f shell app', { kind: 'argv', argv: ['app'] }],
    [['-p', '1', ''], { kind: 'argv', argv: [''] }],
    [['-p', '1', '-f', ''], { kind: 'shell', command: '' }],
  ])('%j', (line, program) => {
    expect(configOf(line).program).toStrictEqual(program);
  });
});

describe('the first word of the command line', () => {
  test.each<[Line, string]>([
    ['-p 1 app', 'app'],
    ['-p 1 -- /usr/bin/php-cgi -q', '/usr/bin/php-cgi'],
    ['-p 1 ./app', './app'],
    ['-p 1 /usr/bin/', '/usr/bin/'],
    ['-p 1 --name boss app', 'boss'],
    ['-p 1 --name /usr/bin/php-cgi wrapper', '/usr/bin/php-cgi'],
    [['-p', '1', '-f', '/usr/bin/php-cgi -q'], '/usr/bin/php-cgi'],
    [['-p', '1', '-f', '  \t\n../app\targ'], '../app'],
    [['-p', '1', '-f', '"/srv/my app" arg'], '/srv/my app'],
    [['-p', '1', '-f', "'/srv/my app'"], '/srv/my app'],
    [['-p', '1', '-f', '/srv/my\\ app arg'], '/srv/my app'],
    [['-p', '1', '-f', `/srv/'a "b'"c \\"d\\e"\\'f`], `/srv/a "bc "d\\e'f`],
    [['-p', '1', '-f', 'a\\\npp'], 'app'],
    [['-p', '1', '-f', '/srv/app;date'], '/srv/app'],
    [['-p', '1', '-f', '/srv/app2>/dev/null'], '/srv/app2'],
    [['-p', '1', '-f', '</dev/null 2>>"/var/log/a b" >&2 /srv/app x'], '/srv/app'],
    [['-p', '1', '-f', '$PHP -q'], '$PHP'],
    [['-p', '1', '-f', "'/srv/app"], 'spawn-fcgi'],
    [['-p', '1', '-f', '/srv/\u00a0app x'], '/srv/\u00a0app'],
    [['-p', '1', '-f', ''], 'spawn-fcgi'],
    ['-p 1 /', 'spawn-fcgi'],
    [['-p', '1', ''], 'spawn-fcgi'],
  ])('of %j is %s', (line, argv0) => {
    expect(configOf(line).argv0).toBe(argv0);
  });
});

describe('the name', () => {
  test.each<[Line, string]>([
    ['-p 1 -- /usr/bin/php-cgi -q', 'php-cgi'],
    ['-p 1 ./app', 'app'],
    ['-p 1 /usr/bin/', 'bin'],
    ['-p 1 0123456789abcdefg', '0123456789abcdefg'],
    ['-p 1 --name boss app', 'boss'],
    ['-p 1 --name /usr/bin/php-cgi wrapper', 'php-cgi'],
    ['-p 1 --name 0123456789abcdefg app', '0123456789abcdefg'],
    [['-p', '1', '-f', '"/srv/my app" arg'], 'my app'],
    [['-p', '1', ''], 'spawn-fcgi'],
  ])('of %j is %s', (line, name) => {
    expect(configOf(line).name).toBe(name);
  });

  test.each(['', '/'])("may not be '%s'", (name) => {
    expect(refusalOf(['-p', '1', '--name', name, 'app']).message).toBe(`invalid name for --name: '${name}'`);
  });
});

describe('who supervises', () => {
  test.each<[string, Config['model']]>([
    ['', 'background'],
    ['-F 4', 'background'],
    ['--supervise', 'background'],
    ['--name x', 'background'],
    ['-n', 'exec'],
    ['-n -P /run/a.pid', 'exec'],
    ['-n -F 1', 'exec'],
    ['-n -C 4 -b 5 -d /', 'exec'],
    ['-n -F 2', 'foreground'],
    ['-F 2-4', 'background'],
    ['-F auto', 'background'],
    ['-n -F 1-1', 'foreground'],
    ['-n -F auto', 'foreground'],
    ['-n --idle-timeout 5', 'foreground'],
    ['--no-supervise -F auto', 'unsupervised'],
    ['--no-supervise -n -F auto', 'exec'],
    ['-n --supervise', 'foreground'],
    ['-n --name x', 'foreground'],
    ['-n --state-dir x', 'foreground'],
    ['-n --stop-timeout 1', 'foreground'],
    ['-n --min-uptime 1', 'foreground'],
    ['-n --restart-delay 1', 'foreground'],
    ['-n --restart-max-delay 1', 'foreground'],
    ['-n --start-limit 1/1', 'foreground'],
    ['-n --worker-pid-file x', 'foreground'],
    ['-n --log x', 'foreground'],
    ['-n --log-format json', 'foreground'],
    ['--no-supervise', 'unsupervised'],
    ['--no-supervise -F 4', 'unsupervised'],
    ['--no-supervise -n', 'exec'],
    ['--no-supervise -n -F 4', 'exec'],
    ['-n --no-supervise --supervise', 'foreground'],
    ['-n --supervise --no-supervise', 'exec'],
  ])('%s: %s', (options, model) => {
    expect(configOf(`-p 1 ${options} app`.replace('  ', ' ')).model).toBe(model);
  });

  test.each([
    ['--no-supervise --log x', '--log'],
    ['--no-supervise -n --name x', '--name'],
    ['--no-supervise -F 2-4 --log x', '-F 2-4, --log'],
    ['--no-supervise -n -F 2-auto', '-F 2-auto'],
    ['--start-limit 1/1 --no-supervise --state-dir x', '--start-limit, --state-dir'],
  ])('nobody and an option that needs one exclude each other: %s', (options, named) => {
    expect(refusalOf(`-p 1 ${options} app`).message).toBe(
      `--no-supervise and ${named} exclude each other: only a supervisor can do that`,
    );
  });
});

describe('where it listens', () => {
  test.each<[Line, Config['listen']]>([
    ['-p 1 app', { kind: 'tcp', host: undefined, port: 1 }],
    ['-p 65535 -a ::1 app', { kind: 'tcp', host: '::1', port: 65_535 }],
    [['-p', '1', '-a', '', 'app'], { kind: 'tcp', host: '', port: 1 }],
    ['-p +80 app', { kind: 'tcp', host: undefined, port: 80 }],
    ['-s rel.sock app', { kind: 'unix', path: 'rel.sock' }],
    ['-s x -p 0 app', { kind: 'unix', path: 'x' }],
    ['-s x -a 127.0.0.1 app', { kind: 'unix', path: 'x' }],
    [`-s ${'x'.repeat(107)} app`, { kind: 'unix', path: 'x'.repeat(107) }],
  ])('%j', (line, listen) => {
    expect(configOf(line).listen).toStrictEqual(listen);
  });

  test.each<[Line, string]>([
    ['app', 'no socket given (use either -p or -s)'],
    ['-a 127.0.0.1 app', 'no socket given (use either -p or -s)'],
    ['-p 0 app', 'no socket given (use either -p or -s)'],
    [['-p', '', 'app'], 'no socket given (use either -p or -s)'],
    ['-p 1 -s x app', 'either a Unix domain socket or a TCP-port, but not both'],
    [`-s ${'x'.repeat(108)} app`, 'path of the Unix domain socket is too long'],
    [`-s ${'ä'.repeat(54)} app`, 'path of the Unix domain socket is too long'],
    ['-p 1', 'no FastCGI application given'],
    ['-n', 'no FastCGI application given'],
    ['-p 1 -s x', 'no FastCGI application given'],
    ['-p abc', 'invalid port: 0'],
    ['-p abc app', 'invalid port: 0'],
    ['-p 12abc app', 'invalid port: 12'],
    ['-p 75000x app', 'invalid port: 9464'],
    ['-p -1x app', 'invalid port: 65535'],
    ['-p 65536 app', 'invalid port: 65536'],
    ['-p -1 app', 'invalid port: -1'],
    ['-p 80.5 app', 'invalid port: 80'],
  ])('not with %j: %s', (line, message) => {
    const error = refusalOf(line);
    expect(error.message).toBe(message);
    expect(error.exitCode).toBe(255);
  });

  test('a wrong port is explained, and so is a path that is too long', () => {
    expect(refusalOf('-p 75000 app').hints).toStrictEqual(["-p takes a number from 1 to 65535, not '75000'"]);
    expect(refusalOf(`-s ${'ä'.repeat(54)} app`).hints).toStrictEqual([
      'it has 108 bytes, the kernel allows 107; a relative path counts as written',
    ]);
  });
});

describe('numbers', () => {
  test.each<[string, (config: Config) => number | undefined, Record<string, number>]>([
    ['-F', (config) => config.workers, { '1': 1, '65535': 65_535, '+2': 2, '007': 7 }],
    ['-b', (config) => config.backlog, { '-1': -1, '0': 0, '2147483647': 2_147_483_647 }],
    ['-C', (config) => config.phpChildren, { '0': 0, '65535': 65_535 }],
    [
      '-M',
      (config) => config.socketMode,
      { '0': 0, '7': 7, '660': 0o660, '0660': 0o660, '7777': 0o7777, '07777': 0o7777 },
    ],
    [
      '--stop-timeout',
      (config) => config.stopTimeoutMs,
      { '0': 0, '5': 5000, '1.5s': 1500, '2147483647ms': 2_147_483_647 },
    ],
    ['--min-uptime', (config) => config.restart.minUptimeMs, { '0': 0, '250ms': 250, '1h': 3_600_000 }],
    ['--restart-delay', (config) => config.restart.delayMs, { '10ms': 10, '0.01': 10, '2m': 120_000 }],
    ['--restart-max-delay', (config) => config.restart.maxDelayMs, { '10ms': 10, '1h': 3_600_000 }],
    ['--start-limit', (config) => config.restart.startLimit?.count, { '1/1ms': 1, '1000000/1h': 1_000_000 }],
    ['--start-limit', (config) => config.restart.startLimit?.withinMs, { '3/10s': 10_000, '3/1': 1000 }],
  ])('%s', (flag, valueOf, values) => {
    for (const [text, value] of Object.entries(values)) {
      expect(valueOf(configOf(`-p 1 ${flag} ${text} app`)), text).toBe(value);
    }
  });

  const wholeNumber = (flag: string, min: number, max: number): string =>
    `${flag} takes a whole number from ${min} to ${max}`;
  const time = (flag: string): string =>
    `${flag} takes a number with ms, s, m or h, for example 500ms or 30s; a bare number is seconds`;

  test.each<[string, string, string, string[]]>([
    [
      '-F',
      'number',
      '-F takes a whole number from 1 to 65535, a range such as 2-8 or 2-auto, or auto for the processors',
      ['0', '-1', '65536', 'abc', '', '1.5', '2x', '2-4-8', '0x2'],
    ],
    ['-b', 'number', wholeNumber('-b', -1, 2_147_483_647), ['-2', '2147483648', 'abc', '']],
    ['-C', 'number', wholeNumber('-C', 0, 65_535), ['-1', '65536', 'abc', '']],
    [
      '-M',
      'mode',
      '-M takes an octal number such as 0660',
      ['8', '0o660', '10000', '-1', 'rw', '', '+660', '660x'],
    ],
    ['--stop-timeout', 'time', time('--stop-timeout'), ['-1', 'abc', '', '1d', '25d', '2147483648ms']],
    ['--min-uptime', 'time', time('--min-uptime'), ['-1', 'abc', '']],
    ['--restart-delay', 'time', time('--restart-delay'), ['-1', 'abc', '']],
    ['--restart-delay', 'time', '--restart-delay takes at least 10ms', ['0', '9ms', '0.009']],
    ['--restart-max-delay', 'time', time('--restart-max-delay'), ['-1', 'abc', '']],
    ['--restart-max-delay', 'time', '--restart-max-delay takes at least 10ms', ['0', '9ms']],
    ['--request-timeout', 'time', time('--request-timeout'), ['-1', 'abc', '']],
    ['--request-timeout', 'time', '--request-timeout takes at least 1s', ['0', '999ms']],
  ])('%s is refused as a %s when it is none: %s', (flag, what, hint, texts) => {
    for (const text of texts) {
      const error = refusalOf(['-p', '1', flag, text, 'app']);
      expect(error.message).toBe(`invalid ${what} for ${flag}: '${text}'`);
      expect(error.hints).toStrictEqual([hint]);
      expect(error.exitCode).toBe(255);
    }
  });

  test.each([
    '',
    '3',
    '/',
    '3/',
    '/10s',
    '0/10s',
    '3/0',
    '-1/10s',
    '1000001/1s',
    '3/10s/1',
    '3/x',
    'x/10s',
    '3 / 10s',
  ])('--start-limit is refused when it is none: %j', (text) => {
    const error = refusalOf(['-p', '1', '--start-limit', text, 'app']);
    expect(error.message).toBe(`invalid value for --start-limit: '${text}'`);
    expect(error.hints).toStrictEqual(['--start-limit takes a count and a time, for example 3/10s']);
  });

  test.each(['', 'JSON', 'text'])('--log-format is refused when it is neither human nor json: %j', (text) => {
    const error = refusalOf(['-p', '1', '--log-format', text, 'app']);
    expect(error.message).toBe(`invalid value for --log-format: '${text}'`);
    expect(error.hints).toStrictEqual(['--log-format takes human or json']);
  });
});

describe('--stuck-signal', () => {
  test.each(['', 'KILL', 'STOP', 'auto', 'idle-kill', '10', 'USR3'])(
    'is refused when it is none: %j',
    (text) => {
      const error = refusalOf(['-p', '1', '--request-timeout', '1s', '--stuck-signal', text, 'app']);
      expect(error.message).toBe(`invalid value for --stuck-signal: '${text}'`);
      expect(error.hints).toStrictEqual(['--stuck-signal takes the name of a signal, such as USR1 or ABRT']);
    },
  );

  test('is refused where nothing says when a worker is stuck', () => {
    expect(refusalOf('-p 1 --stuck-signal USR1 app').message).toBe('--stuck-signal needs --request-timeout');
  });
});

describe('--worker-pid-file', () => {
  test('needs no %i for one worker', () => {
    expect(configOf('-p 1 --worker-pid-file /run/w app').workerPidFile).toBe('/run/w');
  });

  test('needs it for several', () => {
    const error = refusalOf('-p 1 -F 3 --worker-pid-file /run/w app');
    expect(error.message).toBe("--worker-pid-file '/run/w' has no %i, but there are 3 workers");
    expect(error.hints).toStrictEqual(['%i stands for the slot: --worker-pid-file /run/app/worker-%i.pid']);
    expect(() => configOf('-p 1 -F 1-3 --worker-pid-file /run/w app')).toThrow('but there are 3 workers');
  });
});

describe("root's options", () => {
  test('are ignored for another user, with a hint that names them', () => {
    const config = configOf('-p 1 -u u -g g -U su -G sg -c /jail -S app', false);
    expect(config).toMatchObject({
      user: undefined,
      group: undefined,
      socketUser: undefined,
      socketGroup: undefined,
      chroot: undefined,
      socketBeforeChroot: false,
      hints: ['-c, -S, -u, -g, -U, -G ignored: only root can use them'],
    });
  });

  test('one alone is an "it"', () => {
    expect(configOf('-p 1 -u u app', false).hints).toStrictEqual(['-u ignored: only root can use it']);
  });

  test('not given need no hint, and root gets none', () => {
    expect(configOf('-p 1 -M 600 app', false).hints).toStrictEqual([]);
    expect(configOf('-p 1 -u u app').hints).toStrictEqual([]);
  });
});

test.each<[string, string]>([
  ['-p abc -F abc', 'invalid port: 0'],
  ['-p 1 -s x -F abc', 'no FastCGI application given'],
  ['-F abc app', 'no socket given (use either -p or -s)'],
  ['-p 1 -s x -F abc app', 'either a Unix domain socket or a TCP-port, but not both'],
])("of several mistakes 1.6's come first: %s", (line, message) => {
  expect(refusalOf(line).message).toBe(message);
});
