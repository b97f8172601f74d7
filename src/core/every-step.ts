// What must come to its end although a step of it fails.

/** Takes every step in turn; `report` hears of those that threw. */
export function everyStep(report: (error: Error) => void, ...steps: readonly (() => void)[]): void {
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      report(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
