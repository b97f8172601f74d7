// A choice that is another one with each seed, and the same with the same.

/** The same elements, in an order that differs from seed to seed. */
export function turn<T>(all: readonly T[], by: number): T[] {
  let state = by;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  return all
    .map((one) => ({ one, rank: next() >>> 8 }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ one }) => one);
}
