// `spawn-fcgictl try`: the supervisor starts one more worker on a socket of its own; what it prints and answers is shown
// as it comes. Loaded only for this.
import { isatty } from 'node:tty';
import { askPatiently } from '../../control/ask-patiently.ts';
import { formatRequest, limits, type ControlResult } from '../../control/protocol.ts';
import { AnswerStream, type AnswerEnd } from '../../fastcgi/answer.ts';
import { encodeRequest } from '../../fastcgi/request.ts';
import { explainFailure } from '../explain-outcome.ts';
import { printError, printText } from '../print/print-ctl.ts';
import { printable } from '../../core/text/printable.ts';
import { refuseArguments } from '../refuse-arguments.ts';
import { refuseDead } from '../status/dead-pool-text.ts';
import { ctlStatus } from '../statuses.ts';
import { describeEntry, isDeadPool, ownerOf, type Pool } from '../target/pools.ts';
import { sinkFor, UnwrittenError } from './answer-output.ts';
import { AnswerReport } from './answer-report.ts';
import { parametersFor } from './cgi-parameters.ts';
import { judgeOutcome, requestStatus } from './judge-outcome.ts';
import type { TryOptions } from './try-options.ts';

type Request = TryOptions & { readonly timeoutMs: number | undefined };

/** Returns the exit status. */
export async function tryPool(pool: Pool, request: Request, answerMs: number): Promise<number> {
  if (isDeadPool(pool)) throw refuseDead(pool, 'try');
  const trial = new ShownTrial();
  const { timeoutMs } = request;
  const outcome = await askPatiently(
    pool.controlPath,
    { command: 'try', fields: fieldsFor(request) },
    {
      answerMs,
      timeoutMs,
      owner: ownerOf(pool),
      onProgress: (text) => {
        if (isatty(2)) printError(printable(text));
      },
      onLine: (fields) => trial.take(fields),
      stop: trial.stop,
    },
  );
  if (trial.unwritten) {
    if (!trial.unwritten.isReaderGone) printError(`it cannot be written: ${trial.unwritten.message}`);
    return requestStatus.unwritten;
  }
  trial.end();
  if (outcome.kind !== 'result') throw explainFailure(outcome, pool);
  return report(pool, outcome.result, trial, request.uri !== undefined);
}

function fieldsFor({ isAnew, uri, root, params }: Request): Readonly<Record<string, unknown>> {
  const release = isAnew ? { release: true } : {};
  if (uri === undefined) return release;
  const bytes = encodeRequest(parametersFor({ method: 'GET', uri, root, params }));
  const fields = { ...release, request: bytes.toString('base64') };
  // The supervisor takes no longer line; parameters of a few hundred bytes have room.
  if (formatRequest({ command: 'try', fields }).length <= limits.requestBytes) return fields;
  throw refuseArguments('the URI and --param are too long for a try', 'spawn-fcgictl try -h');
}

function report(pool: Pool, result: ControlResult, trial: ShownTrial, hasRequest: boolean): number {
  const verdict = trial.answered && judgeOutcome(trial.answered, trial.header, false);
  const isBad = !result.ok || result.status !== 0;
  if (isBad) printError(`${describeEntry(pool)}: ${printable(result.message)}`);
  if (verdict && verdict.exitStatus !== 0) printError(`its answer: ${verdict.message}`);
  if (isBad) return result.status || ctlStatus.noAnswer;
  if (!hasRequest) printText(`${printable(result.message)}\n`);
  else if (isatty(2)) printError(printable(result.message));
  return verdict?.exitStatus ?? ctlStatus.ok;
}

/** What the worker prints goes to stderr, what it answers to stdout. */
class ShownTrial {
  readonly #stopping = new AbortController();
  readonly #output = sinkFor(2);
  readonly #report = new AnswerReport();
  readonly #answer = new AnswerStream(this.#report);
  #end: AnswerEnd | undefined;
  #lostBytes = 0;
  #unwritten: UnwrittenError | undefined;

  /** Nobody sees it any more. */
  get stop(): AbortSignal {
    return this.#stopping.signal;
  }

  get unwritten(): UnwrittenError | undefined {
    return this.#unwritten;
  }

  get header(): AnswerReport['header'] {
    return this.#report.header;
  }

  /** The end of a whole answer. */
  get answered(): Extract<AnswerEnd, { kind: 'ended' }> | undefined {
    return this.#end?.kind === 'ended' ? this.#end : undefined;
  }

  take({ output, answer, lostBytes }: Readonly<Record<string, unknown>>): void {
    try {
      if (typeof output === 'string') this.#output.write(Buffer.from(output, 'base64'));
      if (typeof answer === 'string') this.#end ??= this.#answer.push(Buffer.from(answer, 'base64'));
      if (typeof lostBytes === 'number') this.#lostBytes = lostBytes;
    } catch (error) {
      if (!(error instanceof UnwrittenError)) throw error;
      this.#unwritten ??= error;
      this.#stopping.abort();
    }
  }

  end(): void {
    this.#report.end();
    this.#output.end();
    if (this.#lostBytes > 0) printError(`${this.#lostBytes} bytes more of its output are not shown`);
  }
}
