// Which answer a request gets. What it takes to look at the pool is shared by all who ask within a moment, so that they cost
// no more than one who asks now and then.
import type { PoolFigures } from '../../control/metrics/pool-figures.ts';
import type { Clock } from '../../core/machine.ts';
import type { Answer } from './status-server.ts';
import type { PageText } from './page-file.ts';
import { contentTypes, formatHtml, formatStatus, readQuery, type Query } from './status-formats.ts';

/** What an operator leaves open in a browser. */
export interface Page {
  /** Undefined: there is none, and php-fpm's tables are all. */
  text(): PageText | undefined;
  /** What it shows, as JSON. */
  data(figures: PoolFigures): string;
}

export interface StatusAnswersOptions {
  /** Looks at the pool. */
  readonly look: () => PoolFigures;
  readonly clock: Clock;
  readonly page: Page;
  /** Hears of a look that failed. */
  readonly report: (error: Error) => void;
}

/** A look is good for so long, or for so many times what it took: at most a twentieth of a processor goes to looks. */
const freshMs = 200;
const rests = 20;

/** Of every answer. */
const common = [
  'Expires: Thu, 01 Jan 1970 00:00:00 GMT',
  'Cache-Control: no-cache, no-store, must-revalidate, max-age=0',
  'X-Content-Type-Options: nosniff',
  'Referrer-Policy: no-referrer',
  'Cross-Origin-Resource-Policy: same-origin',
];

/** What a browser may do with an answer: nothing but show it. */
const inert = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * The page may run its own script and style, ask where it came from, and has its sign in the tab as data. No text may become
 * markup or script by a mistake of ours.
 */
function policyOf({ script, style }: PageText): string {
  const own = `script-src '${script}'; style-src '${style}'; connect-src 'self'; img-src data:`;
  return `${inert}; ${own}; require-trusted-types-for 'script'; trusted-types 'none'`;
}

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
    const query = readQuery(queryOf(params));
    try {
      return this.#tell(query, withBody);
    } catch (error) {
      this.#options.report(error as Error);
      const body = Buffer.from('the pool could not be looked at; its log says why\n');
      return compose('text/plain;charset=UTF-8', body, withBody, { status: '500 Internal Server Error' });
    }
  }

  #tell({ format, isFull, isData }: Query, withBody: boolean): Answer {
    const { page } = this.#options;
    if (isData) {
      const body = this.#body('data', (figures) => page.data(figures));
      return compose(contentTypes.json, body, withBody);
    }
    const text = format === 'html' ? page.text() : undefined;
    const body = this.#body(`${format} ${isFull}`, (figures) =>
      text ? formatHtml(figures, isFull, text) : formatStatus(figures, format, isFull),
    );
    return compose(contentTypes[format], body, withBody, text ? { policy: policyOf(text) } : {});
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

interface Further {
  readonly status?: string;
  readonly policy?: string;
}

function compose(
  type: string,
  body: Buffer,
  withBody: boolean,
  { status, policy = inert }: Further = {},
): Answer {
  const lines = [
    ...(status === undefined ? [] : [`Status: ${status}`]),
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
    ...common,
    `Content-Security-Policy: ${policy}`,
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
