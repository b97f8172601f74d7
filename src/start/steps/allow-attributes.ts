// A step of a start: what workers are to be held to is allowed by the kernel, or the start is refused before anything is
// made.
import { SpawnFcgiError } from '../../core/errors.ts';
import { needsOwnCalls } from '../../core/worker-attributes.ts';
import { allowAttributes, type Allowed } from '../../sys/attributes/allow-attributes.ts';
import { canCallInChild, errnoInChild, type LibcCall } from '../../sys/attributes/child-calls.ts';
import { callsOf } from '../../sys/attributes/own-attributes.ts';
import { asUser } from '../../sys/process/identity.ts';
import { libc } from '../../sys/libc/libc.ts';
import type { Given } from '../start-given.ts';
import type { Users } from './resolve-users.ts';

export interface WithAttributes {
  readonly allowed: Allowed;
}

export function allowOwnAttributes({ config }: Pick<Given, 'config'>): WithAttributes {
  return { allowed: allowAttributes(config.attributes) };
}

/** Of processes that are started by us; also tries it, since a process that is started says of no failure. */
export function allowChildAttributes({ config, identity }: Pick<Given, 'config'> & Users): WithAttributes {
  if (needsOwnCalls(config.attributes) && !canCallInChild()) {
    throw new SpawnFcgiError(
      'cannot set --rlimit, --nice or --no-new-privileges: the C library has no makecontext (musl has not)',
      {
        hints: ['set them for the supervisor (ulimit, nice, setpriv), or use -n, which becomes the program'],
      },
    );
  }
  const allowed = allowAttributes(config.attributes);
  const calls = callsOf(allowed.attributes);
  if (calls.length > 0) asUser(identity, () => calls.forEach(tryCall));
  return { allowed };
}

function tryCall(call: LibcCall): void {
  const errno = errnoInChild(call);
  if (errno === 0) return;
  const option = { setpriority: '--nice', prctl: '--no-new-privileges' }[call[0]] ?? '--rlimit';
  throw new SpawnFcgiError(`cannot set ${option} for a worker: ${libc.strerror(errno)}`);
}
