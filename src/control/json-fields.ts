// What the fields of a line of JSON are, of which nothing is known yet.

export type Fields = Record<string, unknown>;

export function parseObject(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0;
}

export function isExitStatus(value: unknown): value is number {
  return isCount(value) && value <= 255;
}

export function isOneOf<T extends string>(known: readonly T[], value: unknown): value is T {
  return known.some((one) => one === value);
}

export function isNullOr(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === null || check(value);
}

/** Of a field that an object need not have. */
export function isMissingOr(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === undefined || check(value);
}

export function isListOf(value: unknown, check: (item: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(check);
}

export function hasText(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isText(fields[name]));
}

export function hasCounts(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isCount(fields[name]));
}

export function hasTimes(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isTime(fields[name]));
}
