// Compiles small Go programs for tests, from one file each and the standard library alone, once per content and
// compiler: the binaries are kept in node_modules/.cache, and so is what Go compiles on the way (20 s the first time).
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { findCommand } from '../machine/requirements.ts';

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache');

/** Of whoever compiles: what Go has made of its library is there for the next one. Not optimised: two thirds of the time. */
export const goEnvironment = {
  CGO_ENABLED: '0',
  GOCACHE: join(cacheDir, 'go-build'),
  GOPATH: join(cacheDir, 'go-path'),
  GOFLAGS: "'-gcflags=all=-N -l'",
  GOTOOLCHAIN: 'local',
};

/** Takes a Go file's path; returns that of the binary, which is linked statically. */
export function compileGo(source: string): string {
  const go = findCommand('go') ?? 'go';
  const key = createHash('sha256')
    .update(readFileSync(source))
    .update(execFileSync(go, ['version']))
    .digest('hex')
    .slice(0, 16);
  const binary = join(cacheDir, 'test-programs', key);
  if (existsSync(binary)) return binary;
  mkdirSync(join(cacheDir, 'test-programs'), { recursive: true });
  const unfinished = `${binary}.${process.pid}`;
  execFileSync(go, ['build', '-ldflags=-s -w', '-o', unfinished, source], {
    env: { ...process.env, ...goEnvironment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  renameSync(unfinished, binary);
  return binary;
}
