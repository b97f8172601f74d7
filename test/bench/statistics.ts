// What is said about a series of measured values.

export interface Sample {
  median: number;
  min: number;
  p95: number;
  max: number;
  values: readonly number[];
}

function at(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export function summarize(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: at(sorted, 0.5), min: at(sorted, 0), p95: at(sorted, 0.95), max: at(sorted, 1), values };
}
