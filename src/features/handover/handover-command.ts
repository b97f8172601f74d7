// The command `handover` of the control socket: another supervisor asks for the pool (docs/internals/handover.md).
import type { Command } from '../../control/server.ts';
import { systemClock } from '../../sys/process/clock.ts';
import type { ControlDesk } from '../control/control-desk.ts';
import type { Feature } from '../feature.ts';
import { Handover, type HandoverOptions } from './hand-over.ts';

export interface HandoverCommandOptions extends Pick<
  HandoverOptions,
  'prepared' | 'supervisor' | 'records' | 'features' | 'log'
> {
  readonly desk: Pick<ControlDesk, 'open' | 'close'>;
}

const longestHandoverMs = 600_000;
const answerMs = 5000;

export class HandoverCommand implements Feature {
  readonly commands: Readonly<Record<string, Command>> = {
    handover: {
      client: 'waits',
      awaits: ['reload', 'restart', 'handover'],
      carryOut: (fields, client) => {
        const { prepared, desk } = this.#options;
        const { readyTimeoutMs, settleMs } = prepared.config;
        const wished = Number(fields['patienceMs']) || readyTimeoutMs;
        const parts = {
          ...this.#options,
          clock: systemClock,
          patienceMs: Math.min(wished + settleMs, longestHandoverMs) + answerMs,
          closeDesk: () => desk.close(),
          openDesk: () => desk.open(),
        };
        this.#handover = Handover.begin(parts, client, fields);
      },
    },
  };
  readonly #options: HandoverCommandOptions;
  #handover: Handover | undefined;

  constructor(options: HandoverCommandOptions) {
    this.#options = options;
  }

  /** The pool was told to stop. */
  stopping(): void {
    this.#handover?.stop();
  }
}
