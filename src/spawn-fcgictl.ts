// The command spawn-fcgictl: reads its arguments, finds the pool, asks its supervisor.
// The one place that catches and exits. Loads libc only for a pool whose supervisor was killed, and to ask who answers for
// another user's.
import { SpawnFcgiError } from './core/errors.ts';
import { changePool, pingPool } from './ctl/control-pool.ts';
import { PoolFinder } from './ctl/target/find-pool.ts';
import { printFailure, printText } from './ctl/print/print-ctl.ts';
import { followEvents } from './ctl/events/follow-events.ts';
import { showLogs } from './ctl/logs/show-logs.ts';
import { parseArguments, type CtlRequest } from './ctl/program.ts';
import { showMetrics } from './ctl/metrics/show-metrics.ts';
import { showStatus } from './ctl/status/show-status.ts';
import { isDrawable } from './ctl/print/line.ts';
import { watchAsBlocks, watchAsJson, watchOnTerminal } from './ctl/watch/watch-status.ts';
import { ctlStatus } from './ctl/statuses.ts';

/** A supervisor that needs longer does not answer. */
const answerMs = 5000;

void main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  try {
    process.exit(await run(args));
  } catch (error) {
    printFailure(error);
    // Not 1: that is a reload which was rolled back.
    process.exit(error instanceof SpawnFcgiError ? error.exitCode : ctlStatus.usage);
  }
}

async function run(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args);
  if (parsed.kind === 'request') return carryOut(parsed.request);
  printText(parsed.text);
  return parsed.status;
}

async function carryOut(request: CtlRequest): Promise<number> {
  const open = (): Promise<PoolFinder> => openFinder(request);
  if (request.command === 'status' && request.intervalMs !== undefined) {
    const options = { ...request, intervalMs: request.intervalMs, openFinder: open };
    if (request.asJson) return watchAsJson(options);
    // Elsewhere nothing can be drawn over.
    return isDrawable(1, process.env) ? watchOnTerminal(options) : watchAsBlocks(options);
  }
  if (request.command === 'events') return followEvents(request, open, request.timeoutMs ?? answerMs);
  if (request.command === 'request') {
    const { requestServer } = await import('./ctl/request/request-server.ts');
    return requestServer(request, open);
  }
  if (request.command === 'completion') {
    const { printCompletion } = await import('./ctl/completion/print-completion.ts');
    return printCompletion(request, open);
  }
  if (request.command === 'convert') {
    const { convert } = await import('./ctl/convert/convert.ts');
    return convert(request);
  }
  const finder = await open();
  if (request.command === 'doctor') {
    const { diagnose } = await import('./ctl/doctor/doctor.ts');
    return diagnose(request, finder, answerMs);
  }
  switch (request.command) {
    case 'status':
      return showStatus(request, finder, request.timeoutMs ?? answerMs);
    case 'metrics':
      return showMetrics(request, finder, request.timeoutMs ?? answerMs);
    case 'logs':
      return showLogs(await finder.find(request.target), request);
    case 'ping':
      return pingPool(await finder.find(request.target), request, request.timeoutMs ?? answerMs);
    case 'try': {
      const { tryPool } = await import('./ctl/request/try-pool.ts');
      return tryPool(await finder.find(request.target), request, answerMs);
    }
    default:
      return changePool(await finder.find(request.target), request, answerMs);
  }
}

function openFinder({ stateDir }: CtlRequest): Promise<PoolFinder> {
  return PoolFinder.open(stateDir, {
    ofUser: process.env['XDG_RUNTIME_DIR'],
    ofUnit: process.env['RUNTIME_DIRECTORY'],
  });
}
