// The echo programs of test/fixtures, one for each language and library.
import { join } from 'node:path';
import { execFileSync, spawnSync } from 'node:child_process';
import * as build from '../build/index.ts';
import * as machine from '../machine/index.ts';
import * as sites from '../site/index.ts';
import { holdAt, type Held } from '../web/index.ts';
import type { Answer } from './exchange.ts';
import { continueSum, LINES, numberedLines, sumOf, upload } from './payloads.ts';
import { askAndJudge, type Installation, type Verdict, type Tested } from './tested.ts';

const type = 'application/octet-stream';

type Program = Pick<Installation, 'command' | 'env' | 'path'>;

function echo(
  name: string,
  absent: string | undefined,
  workers: number,
  files: (dir: string) => Program,
): Tested {
  return {
    name,
    missing: absent,
    shape: 'program',
    workers,
    install: (dir) => asking(files(dir), dir, '/'),
  };
}

/** What an echo program at this path is asked. */
function asking(program: Program, dir: string, path: string): Installation {
  const begins = (query: string): RegExp => new RegExp(`^GET ${query} \\d+ -\n`);
  const large = { path: `${path}?lines=${LINES}` };
  const upstream = { method: 'POST', path: `${path}?sum`, body: upload, type };
  return {
    ...program,
    large,
    upstream,
    get: (port) =>
      askAndJudge(port, { path: `${path}?n=1&m=%20x` }, ({ text }) => begins('n=1&m=%20x').test(text)),
    head: (port) =>
      askAndJudge(
        port,
        { method: 'HEAD', path },
        ({ bytes, headers }) => bytes === 0 && headers['content-type']?.startsWith('text/plain') === true,
      ),
    upload: (port) => askAndJudge(port, upstream, ({ text }) => text.endsWith(` -\n${sumOf(upload)}\n`)),
    download: (port) =>
      askAndJudge(port, large, ({ text, bytes, sum }) => {
        const head = Buffer.from(text.slice(0, text.indexOf('\n') + 1));
        return bytes === head.length + numberedLines.length && sum === continueSum(head, numberedLines);
      }),
    hold: (port, key) => holdEcho(port, path, join(dir, `hold-${key}`)),
  };
}

function holdEcho(port: number, path: string, fifo: string): Promise<Held<Verdict>> {
  const isEcho = ({ text }: Answer): boolean => text.startsWith(`GET hold=${fifo} `);
  return holdAt(fifo, () => askAndJudge(port, { path: `${path}?hold=${fifo}` }, isEcho));
}

/** One of those that other suites have as well. */
function known(application: sites.Application, name: string, workers: number): Tested {
  return echo(name, application.missing, workers, (dir) => {
    const { program, env = {} } = application.install(dir);
    // A request that is held takes one of Node's four threads for files, and one worker may get all of them.
    return { command: [program], env: { ...env, UV_THREADPOOL_SIZE: '16' }, path: program };
  });
}

function place(from: string, dir: string, name: string): string {
  const to = join(dir, name);
  execFileSync('install', ['-m', '755', from, to]);
  return to;
}

/** A script as it is. */
function script(name: string, file: string, absent: string | undefined): Tested {
  return echo(name, absent, SINGLE, (dir) => {
    const program = place(build.fixture(file), dir, file);
    return { command: [program], path: program };
  });
}

/** Of programs with one request at a time. */
const SINGLE = 6;
const SEVERAL = 2;

const php: Tested = {
  name: 'php-cgi',
  missing: sites.phpCgi.missing,
  shape: 'scripts',
  workers: SINGLE,
  install(dir) {
    const { program } = sites.phpCgi.install(dir);
    return asking({ command: [program, '-d', 'post_max_size=16M'], path: dir }, dir, '/echo.php');
  },
};

const threads = echo('C, libfcgi with threads', sites.libfcgiProgram.missing, SEVERAL, (dir) => {
  const binary = build.compileC(build.fixture('threaded-echo.c'), { libs: ['fcgi'], flags: ['-pthread'] });
  const program = place(binary, dir, 'threaded-echo');
  return { command: [program], path: program };
});

const cgiScript: Tested = {
  name: 'fcgiwrap, a CGI script',
  missing: machine.missing({ commands: ['fcgiwrap'] }),
  shape: 'cgi',
  workers: SINGLE,
  install(dir) {
    const path = place(build.fixture('cgi-echo.sh'), dir, 'cgi-echo.sh');
    return asking({ command: [machine.findCommand('fcgiwrap') ?? 'fcgiwrap'], path }, dir, '/');
  },
};

export const echoPrograms: readonly Tested[] = [
  php,
  { ...known(sites.flupScript, 'Python, flup', SEVERAL), forgetsConnections: true },
  known(sites.perlScript, 'Perl, FCGI', SINGLE),
  script('Perl, CGI::Fast', 'cgi-fast-echo.pl', whyNoModule(['perl', '-MCGI::Fast', '-e', '1'])),
  known(sites.libfcgiProgram, 'C, libfcgi', SINGLE),
  threads,
  script('Ruby, fcgi', 'ruby-echo.rb', whyNoModule(['ruby', '-e', 'require "fcgi"'])),
  known(sites.nodeScript, 'Node', SEVERAL),
  known(sites.goProgram, 'Go, net/http/fcgi', SEVERAL),
  cgiScript,
];

function whyNoModule([command = '', ...args]: readonly string[]): string | undefined {
  const path = machine.findCommand(command);
  const isThere = path !== undefined && spawnSync(path, args).status === 0;
  return isThere ? undefined : `needs ${command} with its FastCGI module`;
}
