import { describe, expect, test } from 'vitest';
import { parseOutput } from '../../src/core/output-target.ts';

describe('--output', () => {
  test.each([
    ['null', { kind: 'null' }],
    ['journal', { kind: 'journal' }],
    ['| svlogd -tt x ', { kind: 'program', command: 'svlogd -tt x' }],
    ['inherit', { kind: 'inherit' }],
    ['-', { kind: 'descriptor', number: 1, name: '-' }],
    ['/dev/stderr', { kind: 'descriptor', number: 2, name: '/dev/stderr' }],
    ['/dev/fd/7', { kind: 'descriptor', number: 7, name: '/dev/fd/7' }],
    ['./null', { kind: 'file', pattern: './null' }],
    ['/var/log/app-%i.log', { kind: 'file', pattern: '/var/log/app-%i.log' }],
  ])('%s', (value, target) => {
    expect(parseOutput(value)).toStrictEqual(target);
  });

  test.each(['', '|', '/var/log/', '/var/log/%i/out'])("'%s' is refused", (value) => {
    expect(() => parseOutput(value)).toThrow(`invalid value for --output: '${value}'`);
  });
});
