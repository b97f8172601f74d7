// `spawn-fcgictl request`: one request to one server, what it answers where the caller sees it, and an exit status for
// what became of it. Loaded only for this.
import { isatty } from 'node:tty';
import { encodeHead, role } from '../../fastcgi/request.ts';
import { printError, printText } from '../print/print-ctl.ts';
import { printableJson } from '../print/printable.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { UnwrittenError } from './answer-output.ts';
import { AnswerRecord, AnswerReport } from './answer-report.ts';
import { parametersFor } from './cgi-parameters.ts';
import { sendRequest, type Times } from './exchange.ts';
import { findServer, type Server } from './find-server.ts';
import { judgeOutcome, requestStatus, type Verdict } from './judge-outcome.ts';
import type { Limit } from './patience.ts';
import { openBody } from './request-body.ts';
import type { RequestOptions } from './request-command.ts';

/** As long as nginx waits between two reads. */
const silenceMs = 60_000;
type Request = RequestOptions & { readonly timeoutMs: number | undefined };

/** Returns the exit status. */
export async function requestServer(
  request: Request,
  openFinder: () => Promise<PoolFinder>,
): Promise<number> {
  const server = await findServer(request.target, openFinder);
  const report = request.asJson ? new AnswerRecord() : new AnswerReport();
  try {
    const { verdict, times } = await exchange(request, server, report);
    report.end();
    if (report instanceof AnswerRecord)
      printText(`${printableJson(report.toJson(server.name, verdict, times))}\n`);
    if (verdict.exitStatus !== 0) printError(`${server.name}: ${verdict.message}`);
    else if (!request.asJson && isatty(2)) printError(`${verdict.message} ${describeTimes(times, report)}`);
    return verdict.exitStatus;
  } catch (error) {
    if (!(error instanceof UnwrittenError)) throw error;
    if (!error.isReaderGone) printError(`the answer cannot be written: ${error.message}`);
    return requestStatus.unwritten;
  }
}

async function exchange(
  request: Request,
  { address }: Server,
  report: AnswerReport,
): Promise<{ verdict: Verdict; times: Times }> {
  const { method, uri, root, params, isAuthorizer } = request;
  const body = openBody(request.body);
  const facts = { method, uri, root, params, isAuthorizer, bodyBytes: body.length };
  const head = encodeHead(parametersFor(facts), isAuthorizer ? role.authorizer : role.responder);
  const { outcome, times } = await sendRequest({
    address,
    head,
    body,
    limit: limitOf(request),
    taker: report,
  });
  return { verdict: judgeOutcome(outcome, report.header, isAuthorizer), times };
}

function limitOf({ deadlineMs, timeoutMs }: Request): Limit {
  const ms = deadlineMs ?? timeoutMs;
  return ms === undefined ? { kind: 'silence', ms: silenceMs } : { kind: 'deadline', ms };
}

function describeTimes(times: Times, { stdoutBytes }: AnswerReport): string {
  const [connected, first] = [times.connectedMs, times.firstByteMs].map((ms) => (ms ?? 0).toFixed(1));
  return `in ${times.totalMs.toFixed(1)} ms (connected after ${connected}, first byte after ${first}), ${stdoutBytes} bytes`;
}
