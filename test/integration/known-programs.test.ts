// Real programs that get TERM in the middle of a request, and what src/sys/proc/known-programs.ts says of them.
import { closeSync, constants, copyFileSync, chmodSync, existsSync, openSync } from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { finishesOnTerm } from '../../src/sys/proc/known-programs.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';
import { fastcgiRequest } from '../helpers/web/index.ts';

const proc = sys.openProc();
const hasLibfcgi = existsSync('/usr/include/fcgi_stdio.h');
const phpCgi = machine.findCommand('php-cgi') ?? '';
const fcgiwrap = machine.findCommand('fcgiwrap') ?? '';

const programs = [
  {
    name: 'php-cgi',
    missing: machine.missing({ commands: ['php-cgi'] }),
    isKnown: true,
    install: () => ({ argv: [phpCgi], script: place('echo.php') }),
  },
  {
    name: 'php-cgi with children',
    missing: machine.missing({ commands: ['php-cgi', 'env'] }),
    isKnown: true,
    install: () => ({
      argv: [machine.findCommand('env') ?? '', 'PHP_FCGI_CHILDREN=2', phpCgi],
      script: place('echo.php'),
    }),
  },
  {
    name: 'a program with libfcgi',
    missing: machine.missing({ commands: ['gcc'] }) ?? (hasLibfcgi ? undefined : 'needs libfcgi'),
    isKnown: true,
    install: () => ({ argv: [compileC(fixture('libfcgi-echo.c'), { libs: ['fcgi'] })], script: '/' }),
  },
  {
    name: "a script with Perl's FCGI",
    missing:
      machine.missing({ commands: ['perl'] }) ?? (hasPerlFcgi() ? undefined : "needs Perl's FCGI module"),
    isKnown: true,
    install: () => ({ argv: [place('perl-echo.pl')], script: '/' }),
  },
  {
    name: 'fcgiwrap',
    missing: machine.missing({ commands: ['fcgiwrap'] }),
    isKnown: false,
    install: () => ({ argv: [fcgiwrap, '-f'], script: place('cgi-echo.sh') }),
  },
] as const;

describe.for(programs)('$name', (program) => {
  test('finishes the request in flight on TERM, or is not known to', async (ctx) => {
    ctx.skip(program.missing !== undefined, program.missing);
    const socket = await sys.listenSomewhere('unix');
    const { argv, script } = program.install();
    const worker = sys.startWorker(socket, argv);
    await machine.waitFor('readiness', () => sys.readinessOf(proc, worker, socket) === 'yes');
    expect(finishesOnTerm(proc, worker)).toBe(program.isKnown);

    const request = holdRequest(socket, script);
    const release = await machine.waitFor('the program to work on it', () => request.inFlight());
    sys
      .workerSessions(proc, new sys.SessionFreezer(proc, socket), undefined)
      .signalWorkers([worker], 'SIGTERM');
    release();
    expect(await request.isAnswered).toBe(program.isKnown);
    await sys.waitForExit(worker);
    await machine.waitFor('the end of its session', () => machine.sessionMembers(worker).length === 0);
  });
});

test('a program with libfcgi drops a request on TERM that it has accepted but not read', async (ctx) => {
  ctx.skip(!hasLibfcgi, 'needs libfcgi');
  const socket = await sys.listenSomewhere('tcp');
  const worker = sys.startWorker(socket, [compileC(fixture('libfcgi-echo.c'), { libs: ['fcgi'] })]);
  const connection = connect(socket.target);
  const closed = new Promise((resolve) => {
    connection.on('close', resolve).on('error', () => undefined);
  });
  await machine.waitFor('it to read', () => isReading(worker));
  process.kill(worker, 'SIGTERM');
  // It closes the connection that nobody has answered.
  await closed;
  await sys.waitForExit(worker);
});

test('a program without a FastCGI library is not known', async () => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [compileC(fixture('accept-loop.c'))]);
  await machine.waitFor('readiness', () => sys.readinessOf(proc, worker, socket) === 'yes');
  expect(finishesOnTerm(proc, worker)).toBe(false);
  expect(finishesOnTerm(undefined, worker)).toBe(false);
});

test('a program that we may not look into is not known', async (ctx) => {
  ctx.skip(!hasLibfcgi || !machine.isRoot, 'needs libfcgi and root');
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [compileC(fixture('libfcgi-echo.c'), { libs: ['fcgi'] })]);
  await machine.waitFor('readiness', () => sys.readinessOf(proc, worker, socket) === 'yes');
  expect(finishesOnTerm(proc, worker)).toBe(true);
  expect(sys.asUser(machine.NOBODY, () => finishesOnTerm(proc, worker))).toBe(false);
});

test('a worker that has ended is not known', () => {
  expect(finishesOnTerm(proc, 4_194_304)).toBe(false);
});

/** A request that the program works on until it is released. */
function holdRequest({ target }: sys.Listening, script: string) {
  const fifo = `${machine.makeTempDir()}/hold`;
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  const parameters = {
    REQUEST_METHOD: 'GET',
    QUERY_STRING: `hold=${fifo}`,
    SCRIPT_FILENAME: script,
    REDIRECT_STATUS: '200',
    SERVER_PROTOCOL: 'HTTP/1.1',
  };
  if (!('path' in target)) throw new Error('wants a Unix socket');
  const isAnswered = fastcgiRequest({ socketPath: target.path }, parameters).then(
    ({ stdout }) => stdout.includes('GET hold='),
    () => false,
  );
  /** Opening without a reader fails with ENXIO. */
  const inFlight = (): (() => void) | undefined => {
    try {
      const descriptor = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
      return () => closeSync(descriptor);
    } catch {
      return undefined;
    }
  };
  return { isAnswered, inFlight };
}

/** The worker is in read(2), on the connection that it has accepted. */
function isReading(worker: number): boolean {
  const call = process.arch === 'arm64' ? '63 ' : '0 ';
  return machine.isAlive(worker) && (proc.readText(`${worker}/syscall`) ?? '').startsWith(`${call}0x3`);
}

function place(name: string): string {
  const path = `${machine.makeTempDir()}/${name}`;
  copyFileSync(fixture(name), path);
  chmodSync(path, 0o755);
  return path;
}

function hasPerlFcgi(): boolean {
  return spawnSync('perl', ['-MFCGI', '-e', '1']).status === 0;
}
