// Tells the service manager why a start failed before it had a supervisor that could say so.
import { errnoOf } from '../../core/errors.ts';
import { asStatus } from '../../core/text/status-text.ts';
import { findFault, ManagerSocket } from '../../sys/connection/manager-socket.ts';
import { printedErrors } from './print.ts';

/** Nothing is said where nobody listens. */
export function tellManagerOfFailure(name: string | undefined, status: number, error: unknown): void {
  if (name === undefined || findFault(name) !== undefined) return;
  const socket = ManagerSocket.connect(name);
  if (typeof socket === 'number') return;
  const errno = errnoOf(error instanceof Error ? error.cause : undefined) || errnoOf(error);
  const lines = [`STATUS=${reasonOf(printedErrors())}`, `EXIT_STATUS=${status}`];
  socket.send(errno > 0 ? [...lines, `ERRNO=${errno}`] : lines);
}

/** The line that says it, and the hints behind it; those before are of what has not kept it from starting. */
export function reasonOf(printed: readonly string[]): string {
  const first = printed.findIndex((line) => !line.startsWith('hint: '));
  return first < 0 ? 'the start has failed' : asStatus(printed.slice(first).join('; '));
}
