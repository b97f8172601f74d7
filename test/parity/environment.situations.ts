/** The worker's environment, to the byte, and PHP_FCGI_CHILDREN. */
import type { Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const withEnv = (
  env: NonNullable<Situation['env']>,
  ...options: string[]
): Pick<Situation, 'args' | 'env'> => ({
  args: [...tcp, ...options, '--', './app'],
  env,
});

/** 240 KB, and names that a shell script might use for itself. */
const large = [
  ...Array.from({ length: 8 }, (_, index) => `LARGE_${index}=${String(index).repeat(30_000)}`),
  ...'mode node here previous own_proc argument candidate environ line newline header major minor version status'
    .split(' ')
    .map((name) => `${name}=of the caller`),
  'IFS=x',
  'OPTIND=4',
  'PPID=7',
  'OLDPWD=/tmp',
  '_=x',
  'SPAWN_FCGI=1',
];

export const environmentSituations: Situation[] = [
  { name: 'an empty environment', ...withEnv([]) },
  { name: 'an empty environment, as a user', ...withEnv([]), user: 'nobody' },
  { name: 'PATH alone', ...withEnv({ PATH: '/usr/bin' }) },
  { name: 'a PATH without Node', ...withEnv({ PATH: '/nowhere' }) },
  { name: 'an empty variable', ...withEnv({ EMPTY: '', NEXT: 'x' }) },
  { name: 'PWD with an odd value', ...withEnv({ PWD: 'odd', A: '1' }) },
  { name: 'PWD that names another directory', ...withEnv({ PWD: '/', OLDPWD: '/usr' }) },
  {
    name: 'the usual variables of a shell',
    ...withEnv({
      PWD: '<dir>',
      OLDPWD: '/tmp',
      SHLVL: '3',
      _: '/usr/bin/env',
      PPID: '7',
      IFS: 'x',
      OPTIND: '4',
      PS1: '>',
      PS4: '+',
    }),
  },
  {
    name: 'variables that would steer a shell',
    ...withEnv({ ENV: '/nowhere', BASH_ENV: '/nowhere', CDPATH: '/', SHELLOPTS: 'xtrace' }),
  },
  {
    name: 'NODE_OPTIONS of the worker',
    ...withEnv({ NODE_OPTIONS: '--max-old-space-size=64 --no-warnings' }),
  },
  { name: 'NODE_OPTIONS that no Node accepts', ...withEnv({ NODE_OPTIONS: '--bogus' }) },
  {
    name: 'NODE_OPTIONS that would load a missing file',
    ...withEnv({ NODE_OPTIONS: '--require /nowhere/missing.js' }),
  },
  { name: 'an empty NODE_OPTIONS', ...withEnv({ NODE_OPTIONS: '' }) },
  {
    name: 'other variables of Node',
    ...withEnv({
      NODE_PATH: '/nowhere',
      NODE_ENV: 'production',
      NODE_DEBUG: 'net',
      NODE_V8_COVERAGE: '<dir>/coverage',
      NODE_COMPILE_CACHE: '<dir>/cache',
      NODE_EXTRA_CA_CERTS: '/nowhere',
      NODE_NO_WARNINGS: '1',
      NODE_CHANNEL_FD: '3',
      NODE_UNIQUE_ID: '1',
      UV_THREADPOOL_SIZE: '1',
      NODE_REPL_HISTORY: '',
    }),
  },
  {
    name: 'variables of libraries',
    ...withEnv({
      LD_LIBRARY_PATH: '/nowhere',
      MALLOC_ARENA_MAX: '1',
      TZ: 'UTC',
      OPENSSL_CONF: '/nowhere',
      LC_ALL: 'de_DE.UTF-8',
    }),
  },
  { name: 'a value with a newline', ...withEnv({ LINES2: 'one\ntwo\n', TAB: '\t' }) },
  { name: 'a value with quotes, dollars and backslashes', ...withEnv({ ODD: `"'\`$HOME\\ * ; &` }) },
  { name: 'a value beyond ASCII', ...withEnv({ UMLAUT: 'üñ€' }) },
  { name: 'a value that is not UTF-8', ...withEnv(['BYTES=a\xff\xfeb', 'PATH=/usr/bin']), raw: true },
  { name: 'a name with a dot', ...withEnv({ 'a.b': '1', C: '2' }) },
  { name: 'a name with a dash', ...withEnv({ 'a-b': '1' }) },
  { name: 'an exported function of bash', ...withEnv({ 'BASH_FUNC_f%%': '() {  echo hello\n}' }) },
  { name: 'a very long value', ...withEnv({ LONG: 'x'.repeat(100_000) }) },
  {
    name: 'several hundred variables',
    ...withEnv(Array.from({ length: 400 }, (_, index) => `VARIABLE_${index}=${index}`)),
  },
  {
    name: 'the variables of systemd that nobody consumed',
    ...withEnv({ INVOCATION_ID: 'abc', JOURNAL_STREAM: '1:2', SYSTEMD_EXEC_PID: '1' }),
  },
  {
    name: 'LISTEN_FDS that is meant for another process',
    ...withEnv({ LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x' }),
  },
  { name: '-C sets PHP_FCGI_CHILDREN', ...withEnv({ A: '1' }, '-C', '5') },
  { name: '-C 0', ...withEnv({ A: '1' }, '-C', '0') },
  { name: '-C replaces PHP_FCGI_CHILDREN', ...withEnv({ PHP_FCGI_CHILDREN: '2' }, '-C4') },
  {
    name: 'PHP_FCGI_CHILDREN of the caller',
    ...withEnv({ PHP_FCGI_CHILDREN: '2', PHP_FCGI_MAX_REQUESTS: '10' }),
  },
  { name: 'an empty environment and -n', ...withEnv([], '-n'), foreground: true },
  {
    name: 'NODE_OPTIONS that no Node accepts, and -n',
    ...withEnv({ NODE_OPTIONS: '--bogus' }, '-n'),
    foreground: true,
  },
  { name: 'a name with a dot, and -n', ...withEnv({ 'a.b': '1' }, '-n'), foreground: true },
  {
    name: 'a value that is not UTF-8, and -n',
    ...withEnv(['BYTES=a\xff\xfeb'], '-n'),
    raw: true,
    foreground: true,
  },
  { name: 'PWD with an odd value, and -n', ...withEnv({ PWD: 'odd' }, '-n'), foreground: true },
  { name: 'an environment of 240 KB', ...withEnv(large) },
  { name: 'an environment of 240 KB, and -n', ...withEnv(large, '-n'), foreground: true },
  { name: '-C and -n', ...withEnv({ A: '1' }, '-n', '-C', '3'), foreground: true },
];
