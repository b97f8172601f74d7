// Why a supervisor gave no result, as one line and an exit status. Pure.
import type { Outcome } from '../control/client.ts';
import { protocolVersion } from '../control/protocol.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { describeEntry, type Pool } from './target/pools.ts';
import { printable } from '../core/text/printable.ts';
import { ctlStatus } from './statuses.ts';
import { formatTime } from './status/status-table.ts';

export type Failure = Exclude<Outcome, { kind: 'result' }>;

export function explainFailure(failure: Failure, pool: Pool): SpawnFcgiError {
  const [text, exitCode] = describeFailure(failure, pool.state.pid);
  return new SpawnFcgiError(`${describeEntry(pool)}: ${text}`, { exitCode });
}

function describeFailure(failure: Failure, pid: number): [text: string, status: number] {
  switch (failure.kind) {
    case 'absent':
      return [`no control socket; signals to PID ${pid} still work`, ctlStatus.noSuchPool];
    case 'not-permitted':
      return ['not permitted to use its control socket', ctlStatus.notPermitted];
    case 'impostor': {
      const who = failure.pid === undefined ? 'another process' : `PID ${failure.pid}`;
      return [`${who} listens on its control socket, and not its supervisor`, ctlStatus.notPermitted];
    }
    case 'timed-out':
      return [`no answer within ${formatTime(failure.afterMs)}`, ctlStatus.noAnswer];
    case 'closed':
      return ['the connection was closed without an answer', ctlStatus.noAnswer];
    case 'other-version':
      return [
        `it speaks version ${failure.version} of the control protocol, this spawn-fcgictl version ${protocolVersion}; use the spawn-fcgictl that came with it`,
        ctlStatus.otherVersion,
      ];
    case 'malformed':
      return ["its answer is not one of this spawn-fcgictl's protocol", ctlStatus.otherVersion];
    case 'failed':
      return [`no connection: ${printable(failure.message)}`, ctlStatus.noAnswer];
  }
}
