// The last lines of a log that is a file, and what comes after them.
import { closeSync, fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { printError } from '../print/print-ctl.ts';
import { ctlStatus } from '../statuses.ts';
import { LogFollower, printFrom } from './follow-log.ts';
import { everyLine, findLastLines, type Accept } from './last-lines.ts';
import { LinePrinter } from './line-printer.ts';
import type { LogFile, OpenLog } from './log-file.ts';

export interface LogsRequest {
  /** Of the last ones; undefined: all. */
  readonly lines: number | undefined;
  readonly follows: boolean;
}

/** Lines that are accepted only, where others write there, too. */
export async function showFile(
  file: LogFile,
  { lines, follows }: LogsRequest,
  accept: Accept = everyLine,
): Promise<number> {
  const open = await file.open();
  if (!open && !follows)
    throw new SpawnFcgiError(`${printable(file.path)} is not there`, { exitCode: ctlStatus.notServing });
  tellPlace(open ? file.path : `${file.path}, once it is there`);
  const printer = new LinePrinter(accept);
  const end = open ? printFrom(open.descriptor, beginningOf(open, lines, accept), printer) : 0;
  if (end === undefined) return ctlStatus.ok;
  if (follows) await new LogFollower(file, printer).run(open, end);
  else if (open) closeSync(open.descriptor);
  printer.finish();
  return ctlStatus.ok;
}

/** For people only: in a pipe there is nothing but the lines. */
export function tellPlace(place: string): void {
  if (isatty(1) && isatty(2)) printError(printable(place));
}

function beginningOf({ descriptor }: OpenLog, lines: number | undefined, accept: Accept): number {
  return lines === undefined
    ? 0
    : findLastLines(descriptor, fstatSync(descriptor).size, lines, accept).offset;
}
