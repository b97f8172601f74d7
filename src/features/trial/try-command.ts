// The command `try` of the control socket (docs/internals/control-protocol.md): one worker beside the pool, what it prints and, if
// the client has a request for it, what it answers.
import { refusal, type ControlResult } from '../../control/protocol.ts';
import type { Command, ControlClient } from '../../control/server.ts';
import type { TrialRefusal } from '../../core/machine.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { Feature } from '../feature.ts';
import { relayRequest } from './relay-request.ts';
import type { TryOut } from './try-out.ts';

export interface TryCommandOptions {
  readonly machine: { readonly tryOut: TryOut };
  readonly supervisor: Supervisor;
}

/** Of what it prints; the rest is counted. */
const mostOutputBytes = 256 * 1024;

export class TryCommand implements Feature {
  readonly commands: Readonly<Record<string, Command>> = {
    try: {
      client: 'waits',
      awaits: ['reload', 'restart', 'handover'],
      carryOut: (fields, client) => this.#carryOut(fields, client),
    },
  };
  readonly #options: TryCommandOptions;
  #client: ControlClient | undefined;

  constructor(options: TryCommandOptions) {
    this.#options = options;
  }

  /** Its worker is ended with the others. */
  stopping(): void {
    this.#client?.answer(refusal('stopping', 'the pool is stopping'));
  }

  #carryOut(fields: Readonly<Record<string, unknown>>, client: ControlClient): void {
    const { machine, supervisor } = this.#options;
    const { release: isAnew = false, request } = fields;
    if (typeof isAnew !== 'boolean' || !['string', 'undefined'].includes(typeof request))
      return client.answer(refusal('invalid', 'release is true or false, request is a text in base64'));
    if (machine.tryOut.isUnderWay) return client.answer(refusal('busy', 'busy: another try is under way'));
    // It may have gone while a reload was waited for.
    if (client.socket.readableEnded) return void client.socket.destroy();
    const bytes = typeof request === 'string' ? Buffer.from(request, 'base64') : undefined;
    this.#client = client;
    for (const sign of ['end', 'close']) client.socket.on(sign, () => this.#clientGone(client));
    const output = new LimitedOutput(client);
    machine.tryOut.begin(
      isAnew ? undefined : supervisor.pool.generation,
      {
        hear: (chunk) => output.take(chunk),
        begun: (pid) => client.progress(`worker PID ${pid} is started`),
        ask: bytes && ((connection, done) => relayRequest(connection, bytes, client, done)),
      },
      () => supervisor.looksWork(),
      (problem, madeWay) => {
        this.#client = undefined;
        output.end();
        if (madeWay) client.answer(refusal('busy', `busy: ${problem?.reason ?? 'a reload began'}`));
        else client.answer(resultOf(problem, bytes !== undefined));
      },
    );
  }

  #clientGone(client: ControlClient): void {
    if (this.#client === client) this.#options.machine.tryOut.end('nobody waits for it any more');
  }
}

function resultOf(problem: TrialRefusal | undefined, hasAnswered: boolean): ControlResult {
  if (problem) return { ok: true, status: problem.isLate ? 3 : 1, message: problem.reason };
  return { ok: true, status: 0, message: `it came up${hasAnswered ? ', answered' : ''} and was ended` };
}

/** What a worker prints, up to a limit: it is never held up, and no client is drowned. */
class LimitedOutput {
  readonly #client: ControlClient;
  #bytes = 0;

  constructor(client: ControlClient) {
    this.#client = client;
  }

  take(chunk: Buffer): void {
    const room = mostOutputBytes - this.#bytes;
    this.#bytes += chunk.length;
    if (room > 0) this.#client.send({ output: chunk.subarray(0, room).toString('base64') });
  }

  end(): void {
    const lost = this.#bytes - mostOutputBytes;
    if (lost > 0) this.#client.send({ lostBytes: lost });
  }
}
