// Who may decide against a start, as long as it is one (core/life.ts).

export interface StartVerdict {
  /** Undoes the start; the first reason counts. */
  abandon(reason: string, status?: number, hints?: readonly string[]): void;
}
