// A mistake on the command line of spawn-fcgictl: one line, with the way out.
import { SpawnFcgiError } from '../core/errors.ts';
import { printable } from '../core/text/printable.ts';
import { ctlStatus } from './statuses.ts';

export function refuseArguments(message: string, help = 'spawn-fcgictl -h'): SpawnFcgiError {
  const line = message.replaceAll(/\s*\n\s*/g, ' ');
  return new SpawnFcgiError(`${printable(line)}; see ${help}`, { exitCode: ctlStatus.usage });
}
