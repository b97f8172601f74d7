// `spawn-fcgictl status --watch`: a table that renews itself on a terminal, a block or a line of JSON each time elsewhere.
import { setTimeout as delay } from 'node:timers/promises';
import { renderLines, takesColours } from '../print/line.ts';
import { printError } from '../print/print-ctl.ts';
import { printableJson } from '../print/printable.ts';
import { usualColumns } from '../print/table.ts';
import { writeFully } from '../print/write-fully.ts';
import { poolsJson } from '../status/show-status.ts';
import { ctlStatus } from '../statuses.ts';
import { Display } from './display.ts';
import { blockLines } from './frame.ts';
import { StatusWatch, type Frame, type WatchOptions } from './status-watch.ts';
import type { Trend } from './trends.ts';

/** Until q; every other way out ends the process by a signal. */
export async function watchOnTerminal(options: WatchOptions): Promise<number> {
  await new Display(options, takesColours(1, process.env)).run();
  return ctlStatus.ok;
}

/** An array a line, as long as somebody reads; pools with their trend once there is one. */
export async function watchAsJson(options: WatchOptions): Promise<number> {
  return watchAsText(options, ({ measured, trends }) => {
    const pools = measured.pools.map((pool) => ({ ...pool, ...trendJson(trends.get(pool)) }));
    return `${printableJson(poolsJson({ ...measured, pools }), 0)}\n`;
  });
}

function trendJson(trend: Trend | undefined): object {
  if (!trend) return {};
  const { restartsOfSlots, ...whole } = trend;
  return { trend: { ...whole, restartsOfSlots: Object.fromEntries(restartsOfSlots) } };
}

/** The time, and the pools as on a terminal, each time with an empty line before it. */
export async function watchAsBlocks(options: WatchOptions): Promise<number> {
  let before = '';
  return watchAsText(options, (frame) => {
    const text = `${before}${timeOf(new Date())}\n${renderLines(blockLines(frame, usualColumns), false)}`;
    before = '\n';
    return text;
  });
}

/** `2026-11-29 15:04:05`, of the place where we are. */
function timeOf(date: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${date.toTimeString().slice(0, 8)}`;
}

async function watchAsText(options: WatchOptions, format: (frame: Frame) => string): Promise<number> {
  const { intervalMs, count = Number.POSITIVE_INFINITY } = options;
  const watch = new StatusWatch(options);
  let said = '';
  for (let looks = 1; ; looks += 1) {
    const frame = await watch.look(intervalMs);
    const missing = frame.silent.map(({ pool }) => `no answer yet from PID ${pool.state.pid}`);
    const text = [...frame.problems, ...missing].join('\n');
    if (text !== '' && text !== said) printError(text);
    said = text;
    if (!writeFully(1, format(frame), true) || looks >= count) return statusOf(frame);
    await delay(intervalMs);
  }
}

/** Of the last look. */
function statusOf({ measured }: Frame): number {
  return measured.dead.length > 0 ? ctlStatus.notServing : ctlStatus.ok;
}
