// Values of a program of supervisord that are more than a word: its address, its environment, what stands for something.
import { hostname } from 'node:os';
import { posix } from 'node:path';
import type { Surroundings } from '../kinds/kind.ts';
import type { Section } from '../syntax/python-ini.ts';
import { type Expanded, expandText, readPairs } from '../syntax/supervisord-text.ts';
import type { Draft } from '../wanted-pool.ts';

export interface Program {
  readonly section: Section;
  /** [supervisord]. */
  readonly daemon: Section | undefined;
  readonly name: string;
  readonly path: string;
  readonly here: string;
  readonly surroundings: Surroundings;
}

export type Place = Program & {
  /** A setting of the section, as it is written. */
  readonly of: (name: string) => string | undefined;
};

export function addSocket(draft: Draft, value: string): void {
  const { options } = draft;
  if (value.startsWith('unix://')) {
    options.socket = posix.normalize(value.slice(7));
    return;
  }
  const [, host, port] = /^tcp:\/\/([^\s:]+):(\d+)$/.exec(value) ?? [];
  if (host === undefined || port === undefined)
    draft.lose(`socket = ${value}: no address that supervisord knows`);
  else Object.assign(options, { address: host, port });
}

/** A word that shlex leaves whole. */
const notKnown = '__not-known__';

export function addEnvironment(draft: Draft, value: string, place: Place): void {
  // The expansion comes first, as in supervisord: what it brings may have commas of its own.
  const expanded = expand(value, place);
  sayUnknown(draft, 'environment', expanded);
  const pairs = readPairs(
    expanded.unknown.reduce((text, source) => text.replaceAll(source, notKnown), expanded.text),
  );
  if (!pairs) draft.lose(`environment = ${value}: no list of KEY="value" that supervisord reads`);
  for (const [name, text] of pairs ?? []) {
    if (text.includes(notKnown)) continue;
    draft.addVariable(name, text, expanded.isBySlot && text.includes('%i'));
  }
}

export function expand(value: string, { name, here, surroundings, of }: Place): Expanded {
  const count = Number(of('numprocs') ?? '1');
  const first = of('numprocs_start') ?? '0';
  const names = {
    here,
    program_name: name,
    group_name: name,
    host_node_name: hostname(),
    numprocs: String(count),
    ...(count === 1 ? { process_num: first } : {}),
  };
  return expandText(value, { names, environment: surroundings.environment });
}

export function sayUnknown(draft: Draft, name: string, { unknown, hasWidth }: Expanded): void {
  for (const source of unknown)
    draft.lose(
      source.startsWith('%(ENV_')
        ? `${name}: ${source} is of supervisord's environment; call this command with that variable set, and it is filled in`
        : `${name}: ${source} is not known`,
    );
  if (hasWidth) draft.lose(`${name}: %i has no leading zeros, as %(process_num)02d has`);
}
