// What the value of --log means, and where events go, as others are told.

/** The descriptor that `-`, /dev/stdout, /dev/stderr, /dev/fd/N and /proc/self/fd/N stand for; undefined: a file. */
export function descriptorOfLog(value: string): number | undefined {
  if (value === '-' || value === '/dev/stdout') return 1;
  if (value === '/dev/stderr') return 2;
  const number = /^\/(?:dev|proc\/self)\/fd\/(\d{1,7})$/.exec(value)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** Where a supervisor's events go: in syslog and the journal they are known by its PID. */
export type LogPlace =
  | { readonly kind: 'syslog' | 'journal' }
  /** As the caller saw it; absolute. */
  | { readonly kind: 'file'; readonly path: string }
  /** Something of the caller's that is none of these, such as `pipe:[123]` or `/dev/pts/1`. */
  | { readonly kind: 'descriptor'; readonly number: number; readonly leadsTo: string };

export function isLogPlace(value: unknown): value is LogPlace {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, path, number, leadsTo } = value as Partial<Record<string, unknown>>;
  if (kind === 'file') return typeof path === 'string' && path.startsWith('/');
  if (kind === 'descriptor') return typeof leadsTo === 'string' && Number.isInteger(number);
  return kind === 'syslog' || kind === 'journal';
}
