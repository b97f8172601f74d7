// What the page knows of the last ten minutes: what its supervisor tells, and what one before it has told. Nothing is made up
// for the time in which nobody has looked. Pure; times are of the page's own clock.
import type { PageData, PageEvent, PageLook } from './data.ts';

export const spanMs = 600_000;
/** For so long a look stands, if no other follows. */
const standsMs = 4000;
const mostEvents = 60;

export interface SeenLook {
  readonly atMs: number;
  readonly queue: number | null;
  readonly active: number;
  readonly up: number;
}

export interface SeenEvent extends Pick<PageEvent, 'severity' | 'text'> {
  readonly atMs: number;
  /** The supervisor's. */
  readonly pid: number;
}

export function joinLooks(
  known: readonly SeenLook[],
  told: readonly PageLook[],
  nowMs: number,
): readonly SeenLook[] {
  const looks = told.map(([agoMs, queue, active, up]) => ({ atMs: nowMs - agoMs, queue, active, up }));
  // A little earlier, for the way of an answer takes its time.
  const before = (looks[0]?.atMs ?? nowMs) - 1000;
  return [...known.filter(({ atMs }) => atMs < before && atMs > nowMs - spanMs), ...looks];
}

export function joinEvents(
  known: readonly SeenEvent[],
  { pid, inside }: Pick<PageData, 'pid' | 'inside'>,
  nowMs: number,
): readonly SeenEvent[] {
  const told = (inside?.events ?? []).map(({ agoMs, severity, text }) => ({
    atMs: nowMs - agoMs,
    severity,
    text,
    pid,
  }));
  return [...known.filter((event) => event.pid !== pid), ...told].slice(-mostEvents);
}

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly look: SeenLook;
}

/** For which time each look stands. */
export function stretchesOf(looks: readonly SeenLook[], nowMs: number): Stretch[] {
  return looks.map((look, index) => ({
    fromMs: look.atMs,
    toMs: Math.min(looks[index + 1]?.atMs ?? nowMs, look.atMs + standsMs),
    look,
  }));
}
