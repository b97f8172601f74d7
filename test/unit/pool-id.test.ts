// The name of a pool's files: its address as one file name, different for every address.
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, poolId, type BoundAddress } from '../../src/core/pool-id.ts';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
const unix = (path: string): BoundAddress => ({ kind: 'unix', path });
const tcp4: BoundAddress = { kind: 'tcp', family: 4, ip: '127.0.0.1', port: 9000 };
const tcp6: BoundAddress = { kind: 'tcp', family: 6, ip: '::1', port: 9000 };

test('an address is written as people write it', () => {
  expect(formatAddress(tcp4)).toBe('127.0.0.1:9000');
  expect(formatAddress(tcp6)).toBe('[::1]:9000');
  expect(formatAddress(unix('/run/app.sock'))).toBe('/run/app.sock');
});

describe('the ID', () => {
  test.each<[BoundAddress, string]>([
    [tcp4, '127.0.0.1:9000'],
    [tcp6, '[::1]:9000'],
    [unix('/run/app.sock'), '%2Frun%2Fapp.sock'],
    [unix('/run/100%.sock'), '%2Frun%2F100%25.sock'],
    [unix('/run%2Fapp.sock'), '%2Frun%252Fapp.sock'],
    [unix('/run/ä b.sock'), '%2Frun%2Fä b.sock'],
  ])('of %o is %s', (address, id) => {
    expect(poolId(address, sha)).toBe(id);
  });

  test('is the whole escaped address up to 240 bytes, and a hash with its end from there on', () => {
    const atLimit = `/${'x'.repeat(237)}`;
    expect(poolId(unix(atLimit), sha)).toBe(`%2F${'x'.repeat(237)}`);
    const escaped = `%2F${'x'.repeat(138)}%2F${'y'.repeat(97)}`;
    const id = poolId(unix(`/${'x'.repeat(138)}/${'y'.repeat(97)}`), sha);
    expect(id).toBe(`${sha(escaped).slice(0, 32)}~%2F${'y'.repeat(97)}`);
  });

  test('fits a directory entry with its suffix, also where characters take several bytes', () => {
    for (const letter of ['x', '/', '%', 'ä', '路', '🦊']) {
      const id = poolId(unix(`/${letter.repeat(300)}`), sha);
      expect(Buffer.byteLength(`${id}.state`), letter).toBeLessThanOrEqual(255);
    }
  });

  test('is never two addresses at once, and always one file name', () => {
    const segment = fc.string({ unit: fc.constantFrom('a', 'b', '%', '2', 'F', '5', '.', '~', ':', 'ä') });
    const path = fc.array(segment, { minLength: 1, maxLength: 60 }).map((parts) => `/${parts.join('/')}`);
    const address = fc.oneof(
      path.map(unix),
      fc.record({
        kind: fc.constant('tcp' as const),
        family: fc.constant(4 as const),
        ip: fc.ipV4(),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
      fc.record({
        kind: fc.constant('tcp' as const),
        family: fc.constant(6 as const),
        ip: fc.ipV6(),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
    );
    fc.assert(
      fc.property(address, address, (one, other) => {
        const id = poolId(one, sha);
        expect(id).not.toContain('/');
        expect(['', '.', '..']).not.toContain(id);
        expect(id === poolId(other, sha)).toBe(formatAddress(one) === formatAddress(other));
      }),
      { numRuns: 300 },
    );
  });

  test('of two long addresses with the same end is not the same', () => {
    const end = 'x'.repeat(250);
    expect(poolId(unix(`/a/${end}`), sha)).not.toBe(poolId(unix(`/b/${end}`), sha));
  });
});
