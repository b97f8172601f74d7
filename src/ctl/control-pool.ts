// `ping`, `stop`, `reload`, `restart` and `scale`: one request to one pool, its result
// printed, its exit status returned.
import { askPatiently } from '../control/ask-patiently.ts';
import { ask, type Outcome } from '../control/client.ts';
import type { ControlRequest, ControlResult, PoolSummary } from '../control/protocol.ts';
import { quote } from '../core/text/quote-words.ts';
import { explainFailure } from './explain-outcome.ts';
import { describeDeath, refuseDead } from './status/dead-pool-text.ts';
import { isDeadPool, ownerOf, type DeadPool, type Pool } from './target/pools.ts';
import { judgeHealth, type Health } from '../control/health.ts';
import { printError, printText } from './print/print-ctl.ts';
import { printable } from '../core/text/printable.ts';
import { probePool } from './probe.ts';
import type { CtlRequest } from './program.ts';
import { ProgressLine } from './print/progress-line.ts';
import { serverOf } from './request/open-connection.ts';
import { ctlStatus } from './statuses.ts';

/** A supervisor says that it has ended before it does. */
const stopLingerMs = 2000;

type PingRequest = Extract<CtlRequest, { command: 'ping' }>;

export async function pingPool(
  pool: Pool,
  { isStrict, probe }: PingRequest,
  answerMs: number,
): Promise<number> {
  if (isDeadPool(pool)) {
    printText(`${describeDeath(pool)}\n`);
    return ctlStatus.notServing;
  }
  const startedMs = performance.now();
  const options = { timeoutMs: answerMs, owner: ownerOf(pool) };
  const outcome = await ask(pool.controlPath, { command: 'ping' }, options);
  if (outcome.kind !== 'result' || !outcome.result.ok) return reportOther(outcome, pool);
  const { pool: summary } = outcome.result;
  if (!summary) throw explainFailure({ kind: 'malformed' }, pool);
  const { kind, text } = judgeHealth(summary);
  if (probe === false || summary.phase !== 'serving') {
    printText(`${text}${text.includes(':') ? ';' : ':'} ${describeLoad(summary)}\n`);
    return statusOf(kind, isStrict);
  }
  const timeoutMs = Math.max(1, answerMs - (performance.now() - startedMs));
  const probed = await probePool(serverOf(pool), probe === true ? undefined : probe, {
    timeoutMs,
    inAllMs: answerMs,
  });
  printText(`${probed.text}; ${describeLoad(summary)}\n`);
  return probed.isServed ? statusOf(kind === 'saturated' ? kind : 'serving', isStrict) : ctlStatus.notServing;
}

/** Where nobody may look, a pool whose workers run must not be taken for a dead one for ever. */
function statusOf(kind: Health['kind'], isStrict: boolean): number {
  if (kind === 'serving' || kind === 'unknown') return ctlStatus.ok;
  return kind === 'saturated' && !isStrict ? ctlStatus.ok : ctlStatus.notServing;
}

function describeLoad({ name, address, pid, idle, busy, queue }: PoolSummary): string {
  const waiting = queue ? `, ${queue.length} of ${queue.backlog} waiting` : '';
  return `${printable(name)} on ${printable(address)}, PID ${pid}, ${idle} idle, ${busy} busy${waiting}`;
}

type LongRequest = Extract<CtlRequest, { command: 'stop' | 'reload' | 'restart' | 'scale' }>;

/** Waits for the result as long as the supervisor answers, or for `timeoutMs`. */
export async function changePool(pool: Pool, request: LongRequest, answerMs: number): Promise<number> {
  if (isDeadPool(pool)) return changeDeadPool(pool, request);
  const progress = new ProgressLine(`${request.command} of ${printable(pool.state.name)}`);
  try {
    const outcome = await askPatiently(pool.controlPath, toControlRequest(request), {
      answerMs,
      timeoutMs: request.timeoutMs,
      owner: ownerOf(pool),
      onProgress: (text) => progress.show(text),
      ...(request.command === 'stop' ? { lingerMs: stopLingerMs } : {}),
    });
    progress.end();
    const status = outcome.kind === 'result' ? reportResult(outcome.result) : reportOther(outcome, pool);
    if (request.command === 'reload' && outcome.kind === 'result') reportWords(outcome.result);
    return status;
  } finally {
    progress.end();
  }
}

/** Nobody but us is there to end what a killed supervisor left. */
async function changeDeadPool(pool: DeadPool, { command, timeoutMs }: LongRequest): Promise<number> {
  if (command !== 'stop') throw refuseDead(pool, command);
  const { endOrphans } = await import('./end-orphans.ts');
  const progress = new ProgressLine(`stop of ${printable(pool.state.name)}`);
  try {
    const message = await endOrphans(pool, { timeoutMs, tell: (text) => progress.show(text) });
    progress.end();
    printText(`${message}\n`);
    return ctlStatus.ok;
  } finally {
    progress.end();
  }
}

/** Why the trial of a reload failed, in the program's own words. */
function reportWords(result: ControlResult): void {
  const words = (result.ok && result.status !== 0 && result.pool?.lastReload?.words) || [];
  if (words.length === 0) return;
  for (const line of quote('the program said', words)) printError(`hint: ${printable(line)}`);
}

function toControlRequest(request: LongRequest): ControlRequest {
  switch (request.command) {
    case 'scale':
      return { command: request.command, workers: request.workers };
    case 'reload':
      return { command: request.command, ...(request.isEarly ? { early: true } : {}) };
    case 'stop':
    case 'restart':
      return { command: request.command };
  }
}

function reportOther(outcome: Outcome, pool: Pool): number {
  if (outcome.kind === 'result') return reportResult(outcome.result);
  throw explainFailure(outcome, pool);
}

/** The server's line and status; a refusal is never a success. */
function reportResult(result: ControlResult): number {
  const line = printable(result.message);
  if (result.ok && result.status === 0) {
    if (line !== '') printText(`${line}\n`);
    return ctlStatus.ok;
  }
  printError(line === '' ? (result.ok ? 'failed' : result.error) : line);
  return result.status || ctlStatus.noAnswer;
}
