// `events --exec COMMAND`: runs a shell command for each event, one after the other in their order.
import type { Fields } from '../../control/json-fields.ts';
import { printable } from '../../core/text/printable.ts';
import { printableJson } from '../print/printable.ts';

/** A command that takes longer than the events come must not cost memory without end, nor must long ones of another user's. */
const maxWaiting = 1000;
const maxWaitingLength = 8 * 1024 * 1024;

interface Waiting {
  readonly facts: Fields;
  readonly input: string;
}

/** Variables of the command; the whole event is on its standard input. */
const variables = ['event', 'name', 'address', 'pid', 'severity', 'time'] as const;

export class EventCommand {
  readonly #text: string;
  readonly #report: (message: string) => void;
  /** A bundle of its own (src/build.sh); read now, since the package may be upgraded or removed while we wait. */
  readonly #programs = import('../../sys/programs/other-programs.ts');
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  #lost = 0;
  #work: Promise<void> | undefined;

  /** `text` is for /bin/sh; `report` hears of runs that failed, and of events that came too fast. */
  constructor(text: string, report: (message: string) => void) {
    this.#text = text;
    this.#report = report;
  }

  run(facts: Fields): void {
    const input = `${printableJson(facts, 0)}\n`;
    const isTooMuch = this.#waitingLength + input.length > maxWaitingLength;
    if (isTooMuch || this.#waiting.length >= maxWaiting) this.#lost++;
    else {
      this.#waiting.push({ facts, input });
      this.#waitingLength += input.length;
    }
    this.#work ??= this.#drain().finally(() => (this.#work = undefined));
  }

  /** Once it has been run for every event. */
  async end(): Promise<void> {
    await this.#work;
  }

  async #drain(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      this.#waitingLength -= next.input.length;
      await this.#runFor(next);
      if (this.#lost > 0)
        this.#report(
          `${this.#lost} events came while '${this.#text}' was at work on others: it was not run for them`,
        );
      this.#lost = 0;
    }
  }

  async #runFor({ facts, input }: Waiting): Promise<void> {
    const { runShellCommand } = await this.#programs;
    const problem = await runShellCommand({
      text: this.#text,
      input,
      variables: Object.fromEntries(
        variables.map((name) => [`SPAWN_FCGI_${name.toUpperCase()}`, textOf(facts[name])]),
      ),
    });
    if (problem !== undefined)
      this.#report(`'${this.#text}' ${problem} at the event ${printable(textOf(facts['event']))}`);
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).replaceAll('\0', '') : '';
}
