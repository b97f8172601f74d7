/**
 * What this machine offers, and reasons to skip. `needRoot(ctx)` at the start
 * of a test skips it with a reason that the test runner lists.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'vitest';

const CAP_SYS_PTRACE = 19n;

export const isRoot = process.getuid?.() === 0;

/** The path of a command, or undefined when it is not installed. */
export function findCommand(name: string): string | undefined {
  const places = name.includes('/') ? [''] : searchPath();
  return places.map((place) => join(place, name)).find(isExecutable);
}

function hasCommand(name: string): boolean {
  return findCommand(name) !== undefined;
}

/** The reason to skip, or undefined when root and all commands are there. */
export function missing(requirements: { root?: boolean; commands?: readonly string[] }): string | undefined {
  if (requirements.root && !isRoot) return 'needs root';
  const absent = (requirements.commands ?? []).filter((name) => !hasCommand(name));
  return absent.length > 0 ? `needs ${absent.join(', ')}` : undefined;
}

export function needRoot(ctx: TestContext): void {
  ctx.skip(!isRoot, 'needs root');
}

/** A supervisor may be traced only by root, and in a container only if that was left the right to. */
export function needTracing(ctx: TestContext): void {
  needRoot(ctx);
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const mayTrace = ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
  ctx.skip(!mayTrace, 'needs the capability to trace processes (CAP_SYS_PTRACE)');
}

export function needCommands(ctx: TestContext, ...names: string[]): void {
  const reason = missing({ commands: names });
  ctx.skip(reason !== undefined, reason);
}

/** Daemons live in sbin, which an ordinary user's PATH leaves out. */
function searchPath(): string[] {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
