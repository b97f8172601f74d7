// Signals to the supervisor and what they mean (docs/options.md, "Signals to the supervisor"), from just before the
// first worker on, also of --no-supervise; until then watch-interruption.ts has them. None of those that would end the
// process by default is left at its default.
import { unblockAllSignals } from '../sys/process/exec-in-place.ts';

export interface SignalActions {
  stop(signal: NodeJS.Signals): void;
  /** HUP, where it does not mean that the terminal is gone. */
  reload(): void;
  reopen(): void;
  /** TTIN: one worker more; TTOU: one less. */
  scale(difference: 1 | -1): void;
  ignored(signal: NodeJS.Signals): void;
  /** A foreground supervisor whose terminal is gone stops; elsewhere HUP is a request. */
  readonly hangupStops: boolean;
}

const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
/** Without a meaning for us; by default they would end the process, also in a start (watch-interruption.ts). */
export const ignoredSignals = [
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGXCPU',
  'SIGPROF',
] as const;

export function watchSignals(actions: SignalActions): void {
  for (const signal of stopSignals) process.on(signal, () => actions.stop(signal));
  process.on('SIGHUP', () => (actions.hangupStops ? actions.stop('SIGHUP') : actions.reload()));
  process.on('SIGUSR1', () => actions.reopen());
  process.on('SIGTTIN', () => actions.scale(1));
  process.on('SIGTTOU', () => actions.scale(-1));
  for (const signal of ignoredSignals) process.on(signal, () => actions.ignored(signal));
  unblockAllSignals();
}
