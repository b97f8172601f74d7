// Texts with %i, which stands for the number of a slot: a PID file or a variable of each worker.

export function forSlot(pattern: string, slot: number): string {
  return pattern.replaceAll('%i', String(slot));
}

/** Whether it is another text for each slot. */
export function namesSlot(pattern: string): boolean {
  return pattern.includes('%i');
}
