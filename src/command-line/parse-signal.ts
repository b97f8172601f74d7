// A signal's name as the value of an option.

/** Signals that the kernel or the idle stop keeps for itself, or that mean something else to every program. */
const unfitSignals = new Set(['SIGKILL', 'SIGSTOP', 'SIGCONT', 'SIGCHLD', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU']);

/** `term`, `TERM`, `SIGTERM`: undefined for what is no name of a signal that a program can be sent. */
export function parseSignal(text: string): `SIG${string}` | undefined {
  const name = text.toUpperCase().replace(/^(?:SIG)?/, 'SIG');
  const { signals } = process.getBuiltinModule('node:os').constants;
  return name in signals && !unfitSignals.has(name) ? (name as `SIG${string}`) : undefined;
}
