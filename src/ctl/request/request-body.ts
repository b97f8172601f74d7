// The body of a request: how long it is, which the application is told before, and its bytes, a piece at a time. Of what
// nobody knows the length of (a pipe) it makes a file first, as web servers do.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { ctlStatus } from '../statuses.ts';
import { pause } from '../print/write-fully.ts';
import type { BodySource } from './request-command.ts';

/** Kept in memory, if it is not longer. */
const maxKept = 1024 * 1024;
const pieceBytes = 64 * 1024;

export interface RequestBody {
  /** Undefined: the request has none. */
  readonly length: number | undefined;
  /** At most `bytes` from `offset` on; throws when there is less than was promised. */
  readonly read: (offset: number, bytes: number) => Buffer;
}

/** Throws, as a mistake of the caller, when it cannot be read. */
export function openBody(source: BodySource): RequestBody {
  switch (source.kind) {
    case 'none':
      return { ...bodyOf(Buffer.alloc(0)), length: undefined };
    case 'text':
      return bodyOf(Buffer.from(source.text));
    case 'stdin':
      return attempt('standard input', () => collect(0));
    case 'file':
      return attempt(source.path, () => openFile(source.path));
  }
}

function openFile(path: string): RequestBody {
  const descriptor = openSync(path, 'r');
  const facts = fstatSync(descriptor);
  if (facts.isFile()) return fileBody(descriptor, facts.size, path);
  const body = collect(descriptor);
  closeSync(descriptor);
  return body;
}

/** All that a pipe or a terminal has to say. */
function collect(descriptor: number): RequestBody {
  const kept: Buffer[] = [];
  let length = 0;
  let file: number | undefined;
  for (;;) {
    const piece = readPiece(descriptor);
    if (piece.length === 0) break;
    length += piece.length;
    kept.push(piece);
    if (length <= maxKept) continue;
    file ??= createNameless();
    for (const one of kept.splice(0)) writeAll(file, one);
  }
  return file === undefined ? bodyOf(Buffer.concat(kept)) : fileBody(file, length, 'the temporary file');
}

/** Empty at the end. */
function readPiece(descriptor: number): Buffer {
  const piece = Buffer.allocUnsafe(pieceBytes);
  for (;;) {
    try {
      return piece.subarray(0, readSync(descriptor, piece, 0, pieceBytes, null));
    } catch (error) {
      // The caller's pipe may be non-blocking: wait for its writer.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

/** Nothing of it is left, however we end. */
function createNameless(): number {
  const path = join(tmpdir(), `spawn-fcgictl-${randomBytes(12).toString('hex')}`);
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const descriptor = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  unlinkSync(path);
  return descriptor;
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let sent = 0; sent < bytes.length;) sent += writeSync(descriptor, bytes, sent);
}

function bodyOf(bytes: Buffer): RequestBody {
  return { length: bytes.length, read: (offset, count) => bytes.subarray(offset, offset + count) };
}

function fileBody(descriptor: number, length: number, name: string): RequestBody {
  return {
    length,
    read: (offset, count) => {
      const piece = Buffer.allocUnsafe(Math.min(count, length - offset));
      const got = attempt(name, () => readSync(descriptor, piece, 0, piece.length, offset));
      if (got === 0 && piece.length > 0) throw refuse(name, 'it became shorter while it was sent');
      return piece.subarray(0, got);
    },
  };
}

function attempt<T>(name: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof SpawnFcgiError) throw error;
    throw refuse(name, (error as Error).message);
  }
}

function refuse(name: string, why: string): SpawnFcgiError {
  return new SpawnFcgiError(`--data: ${printable(name)} cannot be read: ${printable(why)}`, {
    exitCode: ctlStatus.usage,
  });
}
