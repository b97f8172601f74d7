// Amounts and moments as the page writes them. Pure but for the zone and language of the reader.
import { describeBytes, describeDuration, plural } from '../../../core/text/amount-text.ts';

export { describeBytes as bytes, describeDuration as duration, plural };

/** Of one processor. */
export function percent(share: number | undefined): string {
  if (share === undefined) return '';
  return `${share < 9.95 ? share.toFixed(1) : Math.round(share)} %`;
}

export function clock(date: Date): string {
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

/** The time, or of another day the day. */
export function moment(date: Date, now: Date): string {
  if (date.toDateString() === now.toDateString()) return clock(date);
  return date.toLocaleDateString('en', { day: 'numeric', month: 'short' });
}

/** `2 crash, 1 stuck`: those that are not 0. */
export function counts(all: Readonly<Record<string, number>>): string {
  const some = Object.entries(all).filter(([, count]) => count > 0);
  return some.map(([what, count]) => `${count} ${what}`).join(', ');
}

/** The next of 2, 4, 10, 20, 40, 100, … that is no smaller: half of it is a whole number. */
export function roundUp(value: number): number {
  if (value <= 2) return 2;
  const unit = 10 ** Math.floor(Math.log10(Math.max(2, value)));
  return unit * ([1, 2, 4, 10].find((step) => step * unit >= value) ?? 10);
}
