// What became of a request: one word, one line and an exit status for each outcome. Pure.
import type { CgiHeader } from '../../fastcgi/cgi-header.ts';
import { printable } from '../../core/text/printable.ts';
import { formatTime } from '../status/status-table.ts';
import { ctlStatus } from '../statuses.ts';
import type { Outcome } from './exchange.ts';

export interface Verdict {
  /** For JSON. */
  readonly outcome: string;
  readonly exitStatus: number;
  /** For people; printable. */
  readonly message: string;
}

/** Of `request` alone; docs/spawn-fcgictl.md has the table. */
export const requestStatus = {
  serverError: 1,
  appStatus: 2,
  refused: 3,
  closed: 8,
  malformed: 9,
  unwritten: 10,
} as const;

const serverError = 500;
const refusals = ['', 'it cannot multiplex connections', 'it is overloaded', 'it does not know the role'];

export function judgeOutcome(
  outcome: Outcome,
  header: CgiHeader | undefined,
  isAuthorizer: boolean,
): Verdict {
  switch (outcome.kind) {
    case 'ended':
      return judgeEnd(outcome, header, isAuthorizer);
    case 'malformed':
      return {
        outcome: 'malformed',
        exitStatus: requestStatus.malformed,
        message: `no answer: what came is no FastCGI (it begins with '${printable(outcome.beginning.toString('latin1'))}')`,
      };
    case 'closed': {
      const message =
        outcome.receivedBytes === 0
          ? 'no answer: the connection was closed'
          : 'the connection was closed before the end of the answer';
      return { outcome: 'closed', exitStatus: requestStatus.closed, message };
    }
    case 'timed-out':
      return { outcome: 'timed-out', exitStatus: ctlStatus.noAnswer, message: describeLimit(outcome) };
    case 'unreachable':
      return judgeUnreachable(outcome.error);
  }
}

function judgeEnd(
  { protocolStatus, appStatus }: Extract<Outcome, { kind: 'ended' }>,
  header: CgiHeader | undefined,
  isAuthorizer: boolean,
): Verdict {
  if (protocolStatus !== 0) {
    const why = refusals[protocolStatus] ?? `protocol status ${protocolStatus}`;
    return { outcome: 'refused', exitStatus: requestStatus.refused, message: `refused: ${why}` };
  }
  const said = header && printable(`${header.status} ${header.reason}`.trim());
  if (header && isAuthorizer && header.status !== 200)
    return {
      outcome: 'not-authorized',
      exitStatus: requestStatus.serverError,
      message: `not authorized: ${said}`,
    };
  if (header && header.status >= serverError)
    return { outcome: 'server-error', exitStatus: requestStatus.serverError, message: `${said}` };
  if (appStatus !== 0)
    return {
      outcome: 'application-status',
      exitStatus: requestStatus.appStatus,
      message: `the application ended the request with its status ${appStatus}`,
    };
  if (said !== undefined) return { outcome: 'answered', exitStatus: ctlStatus.ok, message: said };
  return {
    outcome: 'no-header',
    exitStatus: requestStatus.malformed,
    message: 'its answer has no header: a web server would make a 502 of it',
  };
}

function describeLimit({ isConnected, limit }: Extract<Outcome, { kind: 'timed-out' }>): string {
  const time = formatTime(limit.ms);
  if (!isConnected)
    return `no connection within ${time}: its queue is full, packets are lost, or its name is looked up still`;
  return limit.kind === 'deadline'
    ? `no whole answer within ${time}`
    : `nothing came for ${time}; see --deadline`;
}

const unreachable: Readonly<Record<string, string>> = {
  ENOENT: 'its socket file is not there',
  ENOTDIR: 'its socket file is not there',
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'its name cannot be looked up',
  EPROTOTYPE: 'it is a socket of another kind (not a stream)',
};

function judgeUnreachable(error: NodeJS.ErrnoException): Verdict {
  const { code = '' } = error;
  if (code === 'EACCES' || code === 'EPERM')
    return {
      outcome: 'not-permitted',
      exitStatus: ctlStatus.notPermitted,
      message: 'its socket may not be used',
    };
  if (code === 'ETIMEDOUT')
    return {
      outcome: 'timed-out',
      exitStatus: ctlStatus.noAnswer,
      message: 'no connection: packets are lost',
    };
  const message = `no connection: ${unreachable[code] ?? printable(error.message)}`;
  return { outcome: 'unreachable', exitStatus: ctlStatus.noSuchPool, message };
}
