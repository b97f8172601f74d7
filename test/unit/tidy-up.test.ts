import { expect, test } from 'vitest';
import { TidyUp } from '../../src/run/tidy-up.ts';
import { ManualClock } from '../helpers/models/index.ts';

function createTidyUp() {
  const clock = new ManualClock();
  const journal: string[] = [];
  const tidyUp = new TidyUp(clock, () => {
    journal.push('garbage');
    return () => void journal.push('pages');
  });
  return { clock, journal, tidyUp };
}

test('garbage is given back some time after something happened, pages after a long rest, and then nothing is armed', () => {
  const { clock, journal, tidyUp } = createTidyUp();
  expect(clock.pending).toBe(0);
  tidyUp.soon();
  clock.advance(1999);
  expect(journal).toEqual([]);
  clock.advance(1);
  expect(journal).toEqual(['garbage']);
  clock.advance(60_000);
  expect(journal).toEqual(['garbage', 'pages']);
  expect(clock.pending).toBe(0);
});

test('a burst counts as one, from its last event on', () => {
  const { clock, journal, tidyUp } = createTidyUp();
  for (let event = 0; event < 12; event++) {
    tidyUp.soon();
    expect(clock.pending).toBe(1);
    clock.advance(300);
  }
  expect(journal).toEqual([]);
  clock.advance(2000);
  expect(journal).toEqual(['garbage']);
  // Something happens before the rest is long: all over again.
  clock.advance(9000);
  tidyUp.soon();
  clock.advance(60_000);
  expect(journal).toEqual(['garbage', 'garbage', 'pages']);
});

test('a pool that ends gives nothing back', () => {
  const { clock, journal, tidyUp } = createTidyUp();
  tidyUp.soon();
  tidyUp.end();
  tidyUp.soon();
  expect(clock.pending).toBe(0);
  clock.advance(60_000);
  expect(journal).toEqual([]);
});
