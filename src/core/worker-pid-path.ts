// The PID file of one slot: %i of the pattern is its number.

export function workerPidPath(pattern: string, slot: number): string {
  return pattern.replaceAll('%i', String(slot));
}
