// The real FastCGI programs of the end-to-end tests, one entry each, and the two transports. They all answer with the
// same echo (see test/fixtures). Runs outside of vitest, too.
import { chmodSync, copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import * as build from '../build/index.ts';
import { findCommand, missing } from '../machine/requirements.ts';
import { transports } from '../web/transports.ts';

export interface Application {
  /** The program's base name, and so the name of its processes. */
  name: string;
  /** Why it cannot run on this machine, if so. */
  missing: string | undefined;
  /** Puts the files into a directory that every user can read. */
  install(dir: string): Installed;
}

export interface Installed {
  program: string;
  /** What the web server asks for. */
  script: string;
  /** What the program needs in its environment. */
  env?: Record<string, string>;
}

export const phpCgi: Application = {
  name: 'php-cgi',
  missing: missing({ commands: ['nginx', 'php-cgi'] }),
  install: (dir) => ({
    program: commandPath('php-cgi'),
    script: place(build.fixture('echo.php'), dir, 'echo.php'),
  }),
};

export const libfcgiProgram: Application = {
  name: 'libfcgi-echo',
  missing:
    missing({ commands: ['nginx', 'gcc'] }) ??
    (existsSync('/usr/include/fcgi_stdio.h') ? undefined : 'needs libfcgi'),
  install: (dir) => {
    const binary = build.compileC(build.fixture('libfcgi-echo.c'), { libs: ['fcgi'] });
    return { program: place(binary, dir, 'libfcgi-echo'), script: '/' };
  },
};

export const perlScript: Application = {
  name: 'perl-echo.pl',
  missing:
    missing({ commands: ['nginx', 'perl'] }) ?? (hasPerlFcgi() ? undefined : "needs Perl's FCGI module"),
  install: (dir) => ({ program: place(build.fixture('perl-echo.pl'), dir, 'perl-echo.pl'), script: '/' }),
};

export const fcgiwrap: Application = {
  name: 'fcgiwrap',
  missing: missing({ commands: ['nginx', 'fcgiwrap'] }),
  install: (dir) => ({
    program: commandPath('fcgiwrap'),
    script: place(build.fixture('cgi-echo.sh'), dir, 'cgi-echo.sh'),
  }),
};

/** No library, no signal handling, one connection at a time. */
export const plainProgram: Application = {
  name: 'plain-echo',
  missing: missing({ commands: ['nginx', 'gcc'] }),
  install: (dir) => ({
    program: place(build.compileC(build.fixture('plain-echo.c')), dir, 'plain-echo'),
    script: '/',
  }),
};

export const goProgram: Application = {
  name: 'go-echo',
  missing: missing({ commands: ['nginx', 'go'] }),
  install: (dir) => ({
    program: place(build.compileGo(build.fixture('go-echo.go')), dir, 'go-echo'),
    script: '/',
  }),
};

export const nodeScript: Application = {
  name: build.RESPONDER,
  missing: missing({ commands: ['nginx'] }),
  install: (dir) => {
    const [node, program] = build.placeResponder(dir, build.unprivilegedUser());
    setInterpreter(program, node);
    return { program, script: '/' };
  },
};

const python = build.findPython();

export const flupScript: Application = {
  name: 'flup-echo.py',
  missing:
    missing({ commands: ['nginx'] }) ??
    (python === undefined ? "needs a Python 3 with venv that the workers' user can execute" : undefined),
  install: (dir) => {
    const program = place(build.fixture('flup-echo.py'), dir, 'flup-echo.py');
    setInterpreter(program, python ?? 'python3');
    // A copy, since the workers' user may not reach the checkout.
    const packages = build.sitePackages(build.pythonVenv(python ?? 'python3', ['flup==1.0.3']));
    cpSync(join(packages, 'flup'), join(dir, 'packages/flup'), { recursive: true });
    return { program, script: '/', env: { PYTHONPATH: join(dir, 'packages') } };
  },
};

/** No echo: it answers "ok", or hangs. */
export const deadlockScript: Application = {
  name: 'deadlock.py',
  missing:
    missing({ commands: ['nginx'] }) ??
    (python === undefined ? "needs a Python 3 that the workers' user can execute" : undefined),
  install: (dir) => {
    const program = place(build.fixture('deadlock.py'), dir, 'deadlock.py');
    setInterpreter(program, python ?? 'python3');
    return { program, script: '/' };
  },
};

/** Each takes one request at a time and goes by its own name: what is said of a kill holds for any of them. */
const simpleApplications = [phpCgi, libfcgiProgram, perlScript, fcgiwrap];

export const applications = [...simpleApplications, flupScript, nodeScript, goProgram, plainProgram];

export const applicationsByTransport = simpleApplications.flatMap((application) =>
  transports.map((transport) => ({ name: application.name, application, transport })),
);

function commandPath(name: string): string {
  return findCommand(name) ?? name;
}

function place(from: string, dir: string, name: string): string {
  const to = join(dir, name);
  copyFileSync(from, to);
  chmodSync(to, 0o755);
  return to;
}

/** Makes `#!` name the very program, whatever is first in the PATH of the workers. */
function setInterpreter(script: string, interpreter: string): void {
  const text = readFileSync(script, 'utf8');
  writeFileSync(script, text.replace(/^#!.*/, `#!${interpreter}`));
}

function hasPerlFcgi(): boolean {
  return spawnSync('perl', ['-MFCGI', '-e', '1']).status === 0;
}
