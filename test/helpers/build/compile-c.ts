/**
 * Compiles small C programs for tests, once per content: the binaries are kept
 * in node_modules/.cache under a hash of the source, the headers of
 * test/fixtures that it includes, and the options.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';

export interface CompileOptions {
  /** Linked statically, so that it runs in an empty chroot. */
  static?: boolean;
  /** Names for -l, as ['fcgi']. */
  libs?: readonly string[];
  /** Further options of gcc. */
  flags?: readonly string[];
}

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache/test-programs');

/** Takes a C file's path (ends in .c) or C text; returns the binary's path. */
export function compileC(source: string, options: CompileOptions = {}): string {
  const text = source.endsWith('.c') ? readFileSync(source, 'utf8') : source;
  const flags = [
    ...(options.static ? ['-static'] : []),
    '-O1',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-I',
    fixture(''),
    ...(options.flags ?? []),
  ];
  const libs = (options.libs ?? []).map((lib) => `-l${lib}`);
  const key = createHash('sha256')
    .update(JSON.stringify([text, headersOf(text), flags, libs]))
    .digest('hex')
    .slice(0, 16);
  const binary = join(cacheDir, key);
  if (existsSync(binary)) return binary;
  mkdirSync(cacheDir, { recursive: true });
  // Another test process may compile the same text: only the rename is shared.
  const unfinished = `${binary}.${process.pid}`;
  execFileSync(
    'gcc',
    [...flags, '-x', 'c', '-o', unfinished, '-', ...(libs.length > 0 ? ['-x', 'none', ...libs] : [])],
    {
      input: text,
      stdio: ['pipe', 'inherit', 'inherit'],
    },
  );
  renameSync(unfinished, binary);
  return binary;
}

function headersOf(text: string): string[] {
  const names = [...text.matchAll(/^#include "([^"]+)"$/gm)];
  return names.map(([, name = '']) => readFileSync(fixture(name), 'utf8'));
}

/** Path of a program in test/fixtures, as fixture('report-worker.c'). */
export function fixture(name: string): string {
  return join(import.meta.dirname, '../../fixtures', name);
}
