// Texts with %i, which stands for the number of a slot: a PID file or a variable of each worker.

export function forSlot(pattern: string, slot: number): string {
  return pattern.replaceAll('%i', String(slot));
}
