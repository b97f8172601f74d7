// A step of a start: opens what --output names, before privileges are dropped and before chroot.
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { libc } from '../../sys/libc/libc.ts';
import { connectJournal, journalPath } from '../../sys/log/journal-connection.ts';
import type { Owner } from '../../sys/log/append-file.ts';
import { LogPipe } from '../../sys/log/log-pipe.ts';
import { OutputFiles } from '../../sys/log/output-files.ts';
import { takeDescriptor } from '../../sys/log/stream-log.ts';
import { findUnfound } from '../../sys/proc/program-check.ts';
import type { Caller } from '../../sys/process/caller.ts';
import type { OutputStreams } from '../../sys/process/spawn-worker.ts';
import type { Nowhere } from './open-nowhere.ts';
import type { Users } from './resolve-users.ts';
import type { Given } from '../start-given.ts';

/** What workers print into. */
export type PreparedOutput =
  | ({ readonly kind: 'streams'; readonly target: string } & OutputStreams)
  | { readonly kind: 'files'; readonly files: OutputFiles; readonly pattern: string }
  | { readonly kind: 'journal'; readonly descriptor: number }
  | { readonly kind: 'program'; readonly pipe: LogPipe; readonly command: string };

export interface WithOutput {
  /** Undefined without --output: by the model. */
  readonly output: PreparedOutput | undefined;
}

/** The descriptors of the caller's that --output names; see takeDescriptor for when. `logDescriptor` was taken for --log. */
export function takeOutputStreams(
  { output, logFile }: Config,
  { front }: Pick<Caller, 'front'>,
  logDescriptor: number | undefined,
): OutputStreams | undefined {
  if (output?.kind === 'inherit')
    return front === undefined
      ? { stdout: 1, stderr: 2 }
      : {
          stdout: takeDescriptor(1, front, refusalOf('inherit')),
          stderr: takeDescriptor(2, front, refusalOf('inherit')),
        };
  if (output?.kind !== 'descriptor') return undefined;
  const { number, name } = output;
  // A higher number is closed once it was taken.
  const isTaken = logDescriptor !== undefined && logFile === name;
  const descriptor = isTaken ? logDescriptor : takeDescriptor(number, front, refusalOf(name));
  return { stdout: descriptor, stderr: descriptor };
}

function refusalOf(name: string): string {
  return `opening output file '${name}' failed`;
}

export function openOutput({
  config,
  outputStreams,
  nowhere,
  identity,
  journal,
}: Pick<Given, 'config' | 'outputStreams' | 'journal'> & Nowhere & Users): WithOutput {
  const { output, workers } = config;
  if (output === undefined) return { output };
  if (outputStreams) {
    const target = output.kind === 'descriptor' ? output.name : output.kind;
    return { output: { kind: 'streams', target, ...outputStreams } };
  }
  if (output.kind === 'program') return { output: openProgram(output.command, config, identity) };
  if (output.kind === 'journal') return { output: openJournal(config) };
  if (output.kind !== 'file')
    return { output: { kind: 'streams', target: output.kind, stdout: nowhere, stderr: nowhere } };
  const { pattern } = output;
  const files = new OutputFiles({
    pattern,
    slots: workers,
    owner: identity,
    refuse: (path, reason, hints) =>
      new SpawnFcgiError(`opening output file '${path}' failed: ${reason}`, { hints }),
    onCreated: (file, undo) => journal.madeLog(file, undo),
    onFound: (letGo) => journal.changed(letGo),
  });
  return { output: { kind: 'files', files, pattern } };
}

function openJournal({ name }: Config): PreparedOutput {
  const descriptor = connectJournal(name);
  if (descriptor >= 0) return { kind: 'journal', descriptor };
  throw new SpawnFcgiError(
    `--output journal: connecting to ${journalPath} failed: ${libc.strerror(-descriptor)}`,
    {
      hints: [
        "there is no systemd-journald here, or it does not answer: --output FILE, or --output '|logger -t NAME'",
      ],
    },
  );
}

/** It is run as the workers are, once privileges are dropped: in the chroot, which is not looked into from here. */
function openProgram(command: string, { chroot }: Config, owner: Owner): PreparedOutput {
  const unfound = chroot === undefined ? findUnfound(command) : undefined;
  if (unfound === undefined) return { kind: 'program', pipe: new LogPipe(owner), command };
  throw new SpawnFcgiError(`--output '|${command}': there is no program '${unfound}'`, {
    hints: [unfound.includes('/') ? `see ls -l ${unfound}` : `PATH is ${process.env['PATH'] ?? 'not set'}`],
  });
}
