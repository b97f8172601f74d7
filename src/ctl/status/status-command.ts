// `status` and `ping` of spawn-fcgictl on its command line.
import type { Command } from 'commander';
import { parseTime, parseWhole } from '../../core/quantity.ts';
import { refuseArguments } from '../refuse-arguments.ts';

export interface StatusRequest {
  readonly command: 'status';
  readonly target: string | undefined;
  readonly asJson: boolean;
  /** Between two frames; undefined: one look. */
  readonly intervalMs: number | undefined;
  /** Looks of --watch; undefined: until somebody ends it. */
  readonly count: number | undefined;
}

export interface PingRequest {
  readonly command: 'ping';
  readonly target: string;
  readonly isStrict: boolean;
  /** Ask the pool's socket; a URI for a request, else a management record. */
  readonly probe: boolean | string;
}

const statusHelp = 'spawn-fcgictl status -h';
const pingHelp = 'spawn-fcgictl ping -h';

export function addStatus(program: Command, ask: (request: StatusRequest) => void): void {
  program
    .command('status [target]')
    .description('show a pool and its workers; without a target all of yours')
    .option('--json', 'as JSON')
    .option('--watch', 'renewed until q or ^C, with rates; with --json a line each time, in a pipe a block')
    .option('--interval <time>', 'between two looks of --watch (default: 1s)')
    .option('--count <number>', 'of looks of --watch (default: until somebody ends it)')
    .addHelpText('after', statusEnd)
    .action((target: string | undefined, { json, watch, interval, count }: StatusOptions) => {
      const [intervalMs, looks] = [parseInterval(watch, interval), parseCount(watch, count)];
      ask({ command: 'status', target, asJson: json ?? false, intervalMs, count: looks });
    });
}

export function addPing(program: Command, ask: (request: PingRequest) => void): void {
  program
    .command('ping [target]')
    .usage('[options] <target>')
    .description('0 if it serves, or is saturated; 1 if not')
    .option('--strict', 'saturated is 1, too')
    .option('--probe [uri]', probeHelp)
    .addHelpText('after', pingEnd)
    .action((target: string | undefined, { strict, probe }: PingOptions) => {
      ask({ command: 'ping', isStrict: strict ?? false, ...separateProbe(target, probe) });
    });
}

const statusEnd = `
Exit status: 0 shown, also that there is no pool; 1 a supervisor was killed;
4 no such pool; 5 not permitted; 6 no answer in time; 7 other version of
spawn-fcgi; 255 usage.`;

interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly interval?: string;
  readonly count?: string;
}

const shortestIntervalMs = 100;

function parseInterval(isWatched: boolean | undefined, text: string | undefined): number | undefined {
  if (!isWatched && text !== undefined) throw refuseArguments('--interval is for --watch', statusHelp);
  if (!isWatched) return undefined;
  const intervalMs = text === undefined ? 1000 : parseTime(text);
  if (intervalMs !== undefined && intervalMs >= shortestIntervalMs) return intervalMs;
  throw refuseArguments(
    `invalid time for --interval: '${text}' (for example 500ms or 2s; 100ms at least)`,
    statusHelp,
  );
}

function parseCount(isWatched: boolean | undefined, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!isWatched) throw refuseArguments('--count is for --watch', statusHelp);
  const count = parseWhole(text, 1, Number.MAX_SAFE_INTEGER);
  if (count !== undefined) return count;
  throw refuseArguments(`invalid number for --count: '${text}' (for example 10)`, statusHelp);
}

interface PingOptions {
  readonly strict?: boolean;
  readonly probe?: boolean | string;
}

const pingEnd = `
Exit status: 0 serving, or saturated; 1 not serving; 4 no such pool; 5 not
permitted; 6 no answer in time; 7 other version of spawn-fcgi; 255 usage.`;

const probeHelp = `ask its socket for a FastCGI management record, or GET the URI (a PHP script: its path): 0 if it answers, but with no status from 500 on`;

/** `ping --probe TARGET`: what the parser takes for a URI is the target, where there is no other. */
function separateProbe(
  target: string | undefined,
  probe: boolean | string = false,
): { target: string; probe: boolean | string } {
  if (target === undefined && typeof probe === 'string') return { target: probe, probe: true };
  if (target === undefined) throw refuseArguments("missing required argument 'target'", pingHelp);
  if (typeof probe !== 'string' || /^\/[!-~]*$/.test(probe)) return { target, probe };
  throw refuseArguments(`invalid URI for --probe: '${probe}' (for example /status)`, pingHelp);
}
