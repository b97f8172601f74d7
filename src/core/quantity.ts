// TIME values of the command line: a number with ms, s, m or h; bare: seconds.

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a TIME such as `250ms`, `1.5s`, `2m`, `1h` or `9`; undefined when it is none. */
export function parseTime(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/.exec(text);
  if (!match) return undefined;
  const ms = Math.round(Number(match[1]) * unitMs[(match[2] ?? 's') as keyof typeof unitMs]);
  // Beyond 2^31-1 ms Node's timers fire at once instead of never.
  return ms <= 2 ** 31 - 1 ? ms : undefined;
}

/** A whole number in decimal within [min, max]; undefined otherwise (1.6's strtol would take `12abc`). */
export function parseWhole(text: string, min: number, max: number): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

const unitBytes = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 } as const;

/** Bytes of a SIZE such as `256M`, `64K`, `1G` or `4096`; undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)([KMG]?)$/.exec(text);
  if (!match) return undefined;
  const bytes = Number(match[1]) * unitBytes[match[2] as keyof typeof unitBytes];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
