// The real FastCGI programs of the end-to-end tests, one entry each, and the two transports. They all answer with the
// same echo (see test/fixtures).
import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { compileC, fixture } from '../helpers/compile-c.ts';
import { findCommand, missing } from '../helpers/requirements.ts';

export type Transport = 'TCP' | 'a Unix socket';

export interface Application {
  /** The program's base name, and so the name of its processes. */
  name: string;
  /** Why it cannot run on this machine, if so. */
  missing: string | undefined;
  /** It answers the request it is working on before it ends on TERM. */
  finishesOnTerm: boolean;
  /** Puts the files into a directory that every user can read. */
  install(dir: string): Installed;
}

export interface Installed {
  program: string;
  /** What the web server asks for. */
  script: string;
}

export const phpCgi: Application = {
  name: 'php-cgi',
  missing: missing({ commands: ['nginx', 'php-cgi'] }),
  finishesOnTerm: true,
  install: (dir) => ({
    program: commandPath('php-cgi'),
    script: place(fixture('echo.php'), dir, 'echo.php'),
  }),
};

export const libfcgiProgram: Application = {
  name: 'libfcgi-echo',
  missing:
    missing({ commands: ['nginx', 'gcc'] }) ??
    (existsSync('/usr/include/fcgi_stdio.h') ? undefined : 'needs libfcgi'),
  finishesOnTerm: true,
  install: (dir) => {
    const binary = compileC(fixture('libfcgi-echo.c'), { libs: ['fcgi'] });
    return { program: place(binary, dir, 'libfcgi-echo'), script: '/' };
  },
};

const perlScript: Application = {
  name: 'perl-echo.pl',
  missing:
    missing({ commands: ['nginx', 'perl'] }) ?? (hasPerlFcgi() ? undefined : "needs Perl's FCGI module"),
  finishesOnTerm: true,
  install: (dir) => ({ program: place(fixture('perl-echo.pl'), dir, 'perl-echo.pl'), script: '/' }),
};

const fcgiwrap: Application = {
  name: 'fcgiwrap',
  missing: missing({ commands: ['nginx', 'fcgiwrap'] }),
  finishesOnTerm: false,
  install: (dir) => ({
    program: commandPath('fcgiwrap'),
    script: place(fixture('cgi-echo.sh'), dir, 'cgi-echo.sh'),
  }),
};

const applications = [phpCgi, libfcgiProgram, perlScript, fcgiwrap];

export const applicationsByTransport = applications.flatMap((application) =>
  (['TCP', 'a Unix socket'] as const).map((transport) => ({
    name: application.name,
    application,
    transport,
  })),
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

function hasPerlFcgi(): boolean {
  return spawnSync('perl', ['-MFCGI', '-e', '1']).status === 0;
}
