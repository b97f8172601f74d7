// What a PID file holds before, during and after a start, on a real file.
import { closeSync, existsSync, linkSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { PidFile } from '../../src/sys/file/pid-file.ts';
import { libc } from '../../src/sys/libc/libc.ts';
import { makeTempDir, waitFor } from '../helpers/machine/index.ts';

const nobodyRuns = (): boolean => false;

function makePath(content?: string): string {
  const path = join(makeTempDir(), 'app.pid');
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const RLIMIT_FSIZE = 1;

/** Runs with a limit on the size of files, and takes it back. */
function withFileSizeLimit(bytes: bigint, run: () => void): void {
  const before = Buffer.alloc(16);
  libc.getrlimit(RLIMIT_FSIZE, before);
  const limit = Buffer.from(before);
  limit.writeBigUInt64LE(bytes, 0);
  libc.setrlimit(RLIMIT_FSIZE, limit);
  try {
    run();
  } finally {
    libc.setrlimit(RLIMIT_FSIZE, before);
  }
}

test.each([
  ['nothing', ''],
  ['a PID', '4711'],
  ['a longer one with a newline', '123456789\n'],
  ['one between spaces', ' 4711 \n'],
  ['a long list', '12345\n'.repeat(1000)],
])('a start that fails after writing gives back what was there: %s', (_what, before) => {
  const path = makePath(before);
  const file = PidFile.open(path);
  file.claim(nobodyRuns);
  file.write('42');
  expect(readFileSync(path, 'utf8')).toBe('42');
  file.restore();
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('a start that fails before writing touches nothing', () => {
  const path = makePath('4711\n');
  const file = PidFile.open(path);
  file.claim(nobodyRuns);
  file.restore();
  expect(readFileSync(path, 'utf8')).toBe('4711\n');
});

test('a shorter PID leaves no digit of a longer one', () => {
  const path = makePath('123456789');
  PidFile.open(path).write('7');
  expect(readFileSync(path, 'utf8')).toBe('7');
});

test('a file that is too long to be a PID file is refused, and keeps its text', () => {
  const path = makePath('x'.repeat(1024 * 1024 + 1));
  expect(() => PidFile.open(path)).toThrow('too long');
  expect(readFileSync(path, 'utf8')).toHaveLength(1024 * 1024 + 1);
});

test('a PID that cannot be written leaves the old text as it was', () => {
  const path = makePath('4711\n');
  const file = PidFile.open(path);
  file.claim(nobodyRuns);
  withFileSizeLimit(2n, () => {
    expect(() => file.write('123456')).toThrow('writing pid file failed: File too large');
  });
  expect(readFileSync(path, 'utf8')).toBe('4711\n');
});

test('a file that may not grow to the length of a PID is refused before anything runs', () => {
  const file = PidFile.open(makePath());
  withFileSizeLimit(0n, () => {
    expect(() => file.claim(nobodyRuns)).toThrow('writing pid file failed: File too large');
  });
});

test('a lock that stays on the file keeps nobody from opening it', () => {
  const path = makePath('4711');
  const stranger = openSync(path, 'r');
  expect(libc.flock(stranger, 2)).toBe(0);
  expect(PidFile.open(path).pid).toBe(4711);
  closeSync(stranger);
});

test('a failed start leaves the file that it made to the start that has opened it since', () => {
  const path = makePath();
  const [first, second] = [PidFile.open(path), PidFile.open(path)];
  expect(first.undo()).toBe(true);
  expect(second.isInPlace()).toBe(true);
  second.close();
  expect(first.undo()).toBe(true);
  expect(existsSync(path)).toBe(false);
});

test('the file of a running pool is refused, and keeps its PID', () => {
  const path = makePath('4711');
  const file = PidFile.open(path);
  expect(() => file.claim((pid) => pid === 4711)).toThrow('belongs to a running pool (PID 4711)');
  expect(readFileSync(path, 'utf8')).toBe('4711');
});

test('a symbolic link and a file with a second name are refused', () => {
  const path = makePath('4711');
  symlinkSync(path, `${path}.link`);
  expect(() => PidFile.open(`${path}.link`)).toThrow("isn't regular file");
  linkSync(path, `${path}.second`);
  expect(() => PidFile.open(path)).toThrow('hard links');
});

test('a file that a pool which stops removes at the same moment is as good as none', async () => {
  const path = makePath();
  const source = `
    const { writeFileSync, rmSync } = require('node:fs');
    for (;;) { writeFileSync(${JSON.stringify(path)}, '1'); rmSync(${JSON.stringify(path)}, { force: true }); }
  `;
  const stopping = new Worker(source, { eval: true });
  try {
    await waitFor('its first time', () => existsSync(path));
    for (let round = 0; round < 5000; round++) {
      PidFile.openIfThere(path)?.close();
      PidFile.open(path).close();
    }
  } finally {
    await stopping.terminate();
  }
});
