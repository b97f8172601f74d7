// Which answer a request gets. What it takes to look at the pool is shared by all who ask within a moment, so that they cost
// no more than one who asks now and then.
import type { PoolFigures } from '../../control/metrics/pool-figures.ts';
import type { Clock } from '../../core/machine.ts';
import type { Answer } from './status-server.ts';
import { contentTypes, formatStatus, readQuery } from './status-formats.ts';

export interface StatusAnswersOptions {
  /** Looks at the pool. */
  readonly look: () => PoolFigures;
  readonly clock: Clock;
  /** Hears of a look that failed. */
  readonly report: (error: Error) => void;
}

/** A look is good for so long, or for so many times what it took: at most a twentieth of a processor goes to looks. */
const freshMs = 200;
const rests = 20;

const uncached = [
  'Expires: Thu, 01 Jan 1970 00:00:00 GMT',
  'Cache-Control: no-cache, no-store, must-revalidate, max-age=0',
  'X-Content-Type-Options: nosniff',
  "Content-Security-Policy: default-src 'none'",
];

export class StatusAnswers {
  readonly #options: StatusAnswersOptions;
  readonly #bodies = new Map<string, Buffer>();
  #figures: PoolFigures | undefined;
  #staleAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StatusAnswersOptions) {
    this.#options = options;
  }

  answer(params: ReadonlyMap<string, string>): Answer {
    const withBody = params.get('REQUEST_METHOD') !== 'HEAD';
    if (isPing(params)) return compose('text/plain;charset=UTF-8', Buffer.from('pong'), withBody);
    const { format, isFull } = readQuery(queryOf(params));
    try {
      const body = this.#body(`${format} ${isFull}`, (figures) => formatStatus(figures, format, isFull));
      return compose(contentTypes[format], body, withBody);
    } catch (error) {
      this.#options.report(error as Error);
      const body = Buffer.from('the pool could not be looked at; its log says why\n');
      return compose('text/plain;charset=UTF-8', body, withBody, '500 Internal Server Error');
    }
  }

  #body(key: string, format: (figures: PoolFigures) => string): Buffer {
    const { clock, look } = this.#options;
    const beganMs = clock.nowMs();
    if (beganMs >= this.#staleAtMs) {
      this.#bodies.clear();
      // One that fails is not tried more often than another.
      this.#staleAtMs = beganMs + freshMs;
      this.#figures = undefined;
      this.#figures = look();
    }
    const known = this.#bodies.get(key);
    if (known) return known;
    if (!this.#figures) throw new Error('the last look has failed');
    const body = Buffer.from(format(this.#figures));
    this.#bodies.set(key, body);
    const nowMs = clock.nowMs();
    this.#staleAtMs = Math.max(this.#staleAtMs, nowMs + (nowMs - beganMs) * rests);
    return body;
  }
}

function compose(type: string, body: Buffer, withBody: boolean, status?: string): Answer {
  const lines = [
    ...(status === undefined ? [] : [`Status: ${status}`]),
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
    ...uncached,
  ];
  return { header: `${lines.join('\r\n')}\r\n\r\n`, body: withBody ? body : Buffer.alloc(0) };
}

/** By whatever the web server tells of the path; any other is the status. */
function isPing(params: ReadonlyMap<string, string>): boolean {
  const path = `${params.get('SCRIPT_NAME') ?? ''}${params.get('PATH_INFO') ?? ''}`;
  const told = path === '' ? (params.get('REQUEST_URI') ?? '').split('?', 1)[0] : path;
  return told?.endsWith('/ping') ?? false;
}

function queryOf(params: ReadonlyMap<string, string>): string {
  const query = params.get('QUERY_STRING');
  if (query !== undefined) return query;
  const uri = params.get('REQUEST_URI') ?? '';
  return uri.includes('?') ? uri.slice(uri.indexOf('?') + 1) : '';
}
