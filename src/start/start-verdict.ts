// Whether a start is decided, for those who may decide it.

export interface StartVerdict {
  isUp(): boolean;
  /** The start is being undone. */
  isAbandoned(): boolean;
  /** Undoes the start; the first reason counts. */
  abandon(reason: string, status?: number, hints?: readonly string[]): void;
}
