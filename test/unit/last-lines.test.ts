// Where the last lines of a file begin, beside a plain split of it.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { findLastLines } from '../../src/ctl/logs/last-lines.ts';
import { makeTempDir } from '../helpers/machine/index.ts';

/** Lines around the size in which the file is read. */
const line = fc.oneof(
  fc.constantFrom('', 'x', 'other'),
  fc.integer({ min: 65_530, max: 65_540 }).map((length) => 'y'.repeat(length)),
);

test('they begin where those of a split begin, whatever their length, with or without an end', () => {
  const path = join(makeTempDir(), 'log');
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 14 }),
      fc.boolean(),
      (texts, hasEnd, wanted, isPicky) => {
        const text = texts.join('\n') + (hasEnd && texts.length > 0 ? '\n' : '');
        writeFileSync(path, text);
        const accept = (one: Buffer): boolean => !isPicky || one.includes('x');
        const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        const accepted = lines.flatMap((one, index) => (accept(Buffer.from(one)) ? [index] : []));
        const first = accepted.slice(-wanted)[0];
        const isNone = wanted === 0 || first === undefined;
        const offset = isNone ? text.length : lines.slice(0, first).join('').length;
        const descriptor = openSync(path, 'r');
        try {
          const found = findLastLines(descriptor, text.length, wanted, accept);
          expect(found).toEqual({ offset, count: isNone ? 0 : Math.min(wanted, accepted.length) });
        } finally {
          closeSync(descriptor);
        }
      },
    ),
  );
});
