// What the value of --log means.

/** The descriptor that `-`, /dev/stdout, /dev/stderr, /dev/fd/N and /proc/self/fd/N stand for; undefined: a file. */
export function descriptorOfLog(value: string): number | undefined {
  if (value === '-' || value === '/dev/stdout') return 1;
  if (value === '/dev/stderr') return 2;
  const number = /^\/(?:dev|proc\/self)\/fd\/(\d{1,7})$/.exec(value)?.[1];
  return number === undefined ? undefined : Number(number);
}
