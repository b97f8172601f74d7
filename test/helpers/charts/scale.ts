// Where a value is on an axis, and which lines of it are drawn. Pure.

export interface Scale {
  readonly ticks: readonly number[];
  readonly across: (value: number) => number;
}

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly p95: number;
}

export function judgeScale(
  values: readonly Spread[],
  left: number,
  right: number,
  isLogarithmic: boolean,
): Scale {
  return isLogarithmic ? decades(values, left, right) : even(values, left, right);
}

/** From 0 to the first line beyond all that is drawn. */
function even(values: readonly Spread[], left: number, right: number): Scale {
  const most = Math.max(...values.map(({ median, p95 }) => Math.max(median, p95)), Number.MIN_VALUE);
  const step = niceStep(most / 4);
  const count = Math.ceil(most / step - 1e-9);
  const end = step * count;
  return {
    ticks: Array.from({ length: count + 1 }, (_unused, index) => index * step),
    across: (value) => left + ((right - left) * value) / end,
  };
}

/** The next of 1, 2, 2.5, 5, 10 times a power of ten. */
function niceStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  const factor = [1, 2, 2.5, 5, 10].find((one) => one * power >= atLeast - 1e-12) ?? 10;
  return factor * power;
}

function decades(values: readonly Spread[], left: number, right: number): Scale {
  const least = Math.min(...values.map(({ min }) => Math.max(min, 1e-6)));
  const most = Math.max(...values.map(({ p95 }) => p95));
  const first = Math.floor(Math.log10(least));
  const last = Math.max(Math.ceil(Math.log10(most) - 1e-9), first + 1);
  return {
    ticks: Array.from({ length: last - first + 1 }, (_unused, index) => 10 ** (first + index)),
    across: (value) => left + ((right - left) * (Math.log10(Math.max(value, 1e-6)) - first)) / (last - first),
  };
}
