// What a PID file holds before, during and after a start, on a real file.
import { linkSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PidFile } from '../../src/sys/pid-file.ts';
import { makeTempDir } from '../helpers/temp-dir.ts';

const nobodyRuns = (): boolean => false;

function makePath(content?: string): string {
  const path = join(makeTempDir(), 'app.pid');
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

test.each(['', '4711', '123456789\n'])(
  'a start that fails after writing gives back what was there: %j',
  (before) => {
    const path = makePath(before);
    const file = PidFile.open(path);
    file.claim(nobodyRuns);
    file.write('42');
    expect(readFileSync(path, 'utf8')).toBe('42');
    file.restore();
    expect(readFileSync(path, 'utf8')).toBe(before.trim());
  },
);

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
