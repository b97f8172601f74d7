// What waits more than it computes takes little more time for several than for one.

/** All have ended when this does; then the first that failed is thrown, by its name. */
export async function sideBySide<T>(
  all: readonly T[],
  nameOf: (one: T) => string,
  run: (one: T) => Promise<void>,
): Promise<void> {
  const ends = await Promise.allSettled(all.map(run));
  for (const [index, end] of ends.entries()) {
    if (end.status === 'fulfilled') continue;
    const name = nameOf(all[index] as T);
    throw new Error(`${name}: ${String(end.reason)}`, { cause: end.reason });
  }
}

/** Groups of so many at the most, in their order. */
export function inGroups<T>(all: readonly T[], most: number): T[][] {
  const count = Math.ceil(all.length / most);
  return Array.from({ length: count }, (_, number) => all.slice(number * most, (number + 1) * most));
}
