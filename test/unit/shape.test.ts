// What counts as the same output: a page's figures are those of one moment.
import { expect, test } from 'vitest';
import { differenceInShape, readTranscript } from '../helpers/typed/index.ts';

const shown = ['app on 127.0.0.1:9000: PID 501, up 40d2h, 3 idle 1 busy', '  0 640 running idle 19M 0.5 - -'];

test('other figures, times, sizes and columns are the same shape', () => {
  const seen = [
    'app on 127.0.0.1:9000: PID 7, up 1.5s, 0 idle 4 busy',
    '0    4711 running busy 7.5M 10.0 - -',
  ];
  expect(differenceInShape(shown, seen)).toBeUndefined();
});

test.for([
  ['another address', ['app on 127.0.0.1:9001: PID 7, up 1s, 0 idle 4 busy', '0 1 running busy 7M 10.0 - -']],
  ['another word', ['app on 127.0.0.1:9000: PID 7, up 1s, 0 idle 4 busy', '0 1 stopping busy 7M 10.0 - -']],
  ['a missing line', ['app on 127.0.0.1:9000: PID 7, up 1s, 0 idle 4 busy']],
  ['a line more', [...shown, 'and more']],
  ['nothing', []],
] as const)('%s is another one', ([, seen]) => {
  expect(differenceInShape(shown, seen)).toBeDefined();
});

test('an ellipsis stands for lines, or for a part of one', () => {
  expect(differenceInShape(['a', '…', 'b…'], ['a', 'x', 'y', 'b and so on'])).toBeUndefined();
  expect(differenceInShape(['a', '…', 'b'], ['a', 'x'])).toBeDefined();
});

test('a transcript is commands with what they print below', () => {
  expect(readTranscript('# one \\\n  two\nout\n\nmore\n$ three\n')).toEqual([
    { command: 'one    two', isRoot: true, shown: ['out', '', 'more'] },
    { command: 'three', isRoot: false, shown: [] },
  ]);
  expect(() => readTranscript('no sign\n')).toThrow('begins with');
});
