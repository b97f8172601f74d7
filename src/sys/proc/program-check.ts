// Why a program cannot be executed, for a hint: x bit, `#!` line, interpreter.
// execve(2) says ENOENT for three different things; people need to know which.
import { AT_EACCESS, AT_FDCWD } from '../path/file-at.ts';
import { closeSync, constants, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { findLoader } from './elf-loader.ts';
import { attempt, E, libc } from '../libc/libc.ts';

/** One line on the way out, or undefined when nothing plain is wrong with the file. */
export function explainExecFailure(path: string, errno: number): string | undefined {
  const mode = modeOf(path);
  if (mode === undefined) return missing(path, errno);
  if ((mode & 0o170000) === 0o040000) return `'${path}' is a directory; name the program in it`;
  if ((mode & 0o111) === 0) return `'${path}' is not executable: chmod +x '${path}'`;
  const line = firstLine(path);
  if (line === undefined)
    return errno === E.ACCES
      ? `the user may not execute '${path}', or not search a directory above it`
      : undefined;
  if (line.startsWith('#!')) return explainInterpreter(path, line);
  if (errno === E.NOEXEC)
    return `'${path}' is neither a binary for this machine nor a script with a #! line as its first line`;
  return errno === E.NOENT ? explainLoader(path) : undefined;
}

/** Undefined where the loader is there: then it is that which has failed, over a shared library, and has said so. */
function explainLoader(path: string): string | undefined {
  const loader = findLoader(path);
  const text = `'${path}' is there, but its program interpreter (dynamic loader) `;
  if (loader === undefined) return `${text}is not`;
  return findAccessError(loader) === undefined ? undefined : `${text}${loader} is not`;
}

function missing(path: string, errno: number): string | undefined {
  if (errno === E.ACCES) return `the user may not search a directory above '${path}'`;
  if (errno !== E.NOENT) return undefined;
  if (path.includes('/') || path === '') return `there is no '${path}'`;
  const found = findInPath(path);
  const where = found === undefined ? '' : `: name it by its path, ${found}`;
  return `there is no '${path}'; a name without a slash is looked for in the working directory, never in PATH${where}`;
}

/** Where people have programs although PATH, as cron and init set it, may not say so. */
const usualDirectories = [
  '/usr/local/bin',
  '/usr/bin',
  '/bin',
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  '/usr/lib/cgi-bin',
];

function findInPath(name: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return [...directories, ...usualDirectories]
    .map((directory) => `${directory.replace(/\/+$/, '')}/${name}`)
    .find((path) => findAccessError(path) === undefined && isRegular(path));
}

function isRegular(path: string): boolean {
  return ((modeOf(path) ?? 0) & 0o170000) === 0o100000;
}

function explainInterpreter(path: string, line: string): string | undefined {
  const interpreter = /^#!\s*([^\s]+)/.exec(line)?.[1] ?? '';
  if (line.endsWith('\r')) {
    return `the #! line of '${path}' ends in CRLF, so the kernel looks for '${interpreter}\\r': convert the file to Unix line ends`;
  }
  const names = `the #! line of '${path}' names '${interpreter}'`;
  const mode = modeOf(interpreter);
  switch (findAccessError(interpreter)) {
    case undefined:
      return undefined;
    case E.ACCES:
      // Whom a directory above keeps out cannot look at the mode, either.
      if (mode === undefined) return `${names}, and the user may not search a directory above that`;
      return (mode & 0o111) === 0
        ? `${names}, which is not executable: chmod +x '${interpreter}'`
        : `${names}, which the user may not execute`;
    default:
      return mode === undefined ? `${names}, which does not exist` : `${names}, which is not executable`;
  }
}

function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode;
  } catch {
    return undefined;
  }
}

/** The first line without its newline; undefined when the file cannot be read. */
function firstLine(path: string): string | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const buffer = Buffer.alloc(256);
    const length = readSync(descriptor, buffer, 0, 256, 0);
    closeSync(descriptor);
    return buffer.toString('latin1', 0, length).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Words that dash and bash know themselves and exec does not. */
const shellWords = new Set([
  '.',
  ':',
  'alias',
  'cd',
  'eval',
  'exec',
  'export',
  'if',
  'for',
  'local',
  'read',
  'set',
  'shift',
  'source',
  'trap',
  'ulimit',
  'umask',
  'unset',
  'wait',
  'while',
]);
const notFound = 127;

/**
 * Why /bin/sh could not execute the command of -f, by its status, 126 or 127; undefined when
 * nothing plain is wrong. What comes after the first word is the shell's business.
 */
export function explainShellFailure(command: string, status: number): string | undefined {
  const assignment = /^\s*(\w+=\S*)/.exec(command)?.[1];
  const written = `-f runs "exec CMD"`;
  if (assignment !== undefined && status === notFound)
    return `${written}, which takes '${assignment}' for the program: put env before it`;
  const word = firstWord(command);
  if (word === undefined) return status === notFound ? '/bin/sh could not find the command of -f' : undefined;
  if (status === notFound && shellWords.has(word))
    return `${written}, and '${word}' is no program but the shell's own: put the whole into a script`;
  if (word.includes('/')) return explainExecFailure(word, status === notFound ? E.NOENT : E.ACCES);
  return explainUnfound(word, status);
}

/** The program that /bin/sh plainly would not find, before it is asked to; undefined: it may, as only it knows. */
export function findUnfound(command: string): string | undefined {
  const word = firstWord(command);
  if (word === undefined || isThere(word)) return undefined;
  return word;
}

/** A relative path counts as there: the command is run elsewhere. */
function isThere(word: string): boolean {
  if (word.includes('/')) return !word.startsWith('/') || findAccessError(word) === undefined;
  const directories = (process.env['PATH'] ?? '').split(':');
  return directories.some((directory) => findAccessError(`${directory || '.'}/${word}`) === undefined);
}

/** A name that the shell looked for in PATH. */
function explainUnfound(word: string, status: number): string | undefined {
  const found = findInPath(word);
  // The shell found it: the dynamic loader, or the program itself, has ended with this status.
  const isInPath = found !== undefined && (process.env['PATH'] ?? '').split(':').includes(dirname(found));
  if (isInPath && status === notFound) return undefined;
  const mode = modeOf(word);
  if (mode !== undefined && (mode & 0o170000) === 0o100000) {
    const bit = (mode & 0o111) === 0 ? `, and chmod +x ${word}` : '';
    return `'${word}' is in the working directory, and /bin/sh looks in PATH only: -f './${word}'${bit}`;
  }
  if (status !== notFound) return `what /bin/sh found in PATH as '${word}' is not executable`;
  return found === undefined
    ? `/bin/sh found no '${word}' in PATH`
    : `/bin/sh found no '${word}' in PATH (${process.env['PATH'] ?? 'not set'}): name it by its path, ${found}`;
}

/** The first word of a -f command when it plainly is a path or a name; shell syntax gives undefined. */
function firstWord(command: string): string | undefined {
  return /^\s*([^\s'"$`\\;&|<>(){}*?[\]#~=]+)(?:\s|$)/.exec(command)?.[1];
}

/** The errno that chdir(2) would give; undefined when it would succeed. */
export function findChdirError(directory: string): number | undefined {
  const error = findAccessError(directory);
  if (error !== undefined) return error;
  return ((modeOf(directory) ?? 0) & 0o170000) === 0o040000 ? undefined : E.NOTDIR;
}

/** The errno that execve(2) would give for plain reasons: not there, not executable, no format the kernel knows. */
export function findExecError(path: string): number | undefined {
  const error = findAccessError(path);
  if (error !== undefined) return error;
  if (!isRegular(path)) return E.ACCES;
  const line = firstLine(path);
  if (line === undefined) return undefined;
  if (line.startsWith('#!')) return findInterpreterError(line);
  return line.startsWith('\x7fELF') || hasOtherFormats() ? undefined : E.NOEXEC;
}

/** The kernel takes the rest of the line up to a space or tab, a carriage return included. */
function findInterpreterError(line: string): number | undefined {
  const interpreter = /^#![ \t]*([^ \t]*)/.exec(line)?.[1] ?? '';
  return interpreter === '' ? E.NOEXEC : findAccessError(interpreter);
}

/** faccessat(2) for execute or search by the effective user: access(2) would ask for the real one. */
function findAccessError(path: string): number | undefined {
  const result = attempt(() => libc.accessAt(AT_FDCWD, path, constants.X_OK, AT_EACCESS));
  return result < 0 ? -result : undefined;
}

/** binfmt_misc knows formats that we do not. */
function hasOtherFormats(): boolean {
  try {
    return readdirSync('/proc/sys/fs/binfmt_misc').some((name) => name !== 'register' && name !== 'status');
  } catch {
    return false;
  }
}
