// Counts and times for people.

export function describeMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function describeSpan(ms: number): string {
  return Math.round(ms / 1000) === 60 ? 'minute' : describeMs(ms);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** The two largest units: `5s`, `2m10s`, `3h5m`, `40d2h`. */
export function describeDuration(ms: number): string {
  let seconds = Math.floor(ms / 1000);
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0s';
  const parts = units.slice(first, first + 2).map(([letter, size]) => {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    return count === 0 ? '' : `${count}${letter}`;
  });
  return parts.join('');
}

/** `412K`, `12M`, `1.5G`. */
export function describeBytes(bytes: number): string {
  const kilo = bytes / 1024;
  if (kilo < 1024) return `${Math.round(kilo)}K`;
  const mega = kilo / 1024;
  return mega < 1024 ? `${Math.round(mega)}M` : `${(mega / 1024).toFixed(1)}G`;
}
