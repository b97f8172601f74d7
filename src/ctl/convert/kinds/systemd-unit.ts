// A unit of systemd that runs spawn-fcgi 1.6 or multiwatch, or a program on the socket of the .socket beside it.
import { basename } from 'node:path';
import { systemdWords, readUnit, type UnitSetting } from '../syntax/systemd-unit-text.ts';
import { type Converted, Draft, type Note } from '../wanted-pool.ts';
import * as args from './arguments.ts';
import type { Kind, Source, Surroundings } from './kind.ts';
import { changeSocket } from './socket-changes.ts';
import { findRow } from '../settings/row.ts';
import { addSocketSettings, systemdRows } from '../settings/systemd-rows.ts';

export const systemdUnit: Kind = {
  name: 'systemd',
  title: 'a unit of systemd',
  matches: ({ text }) => /^\[Service\]/m.test(text),
  read: readService,
};

const sections = new Set(['Service', 'Unit', 'Install']);

function readService(source: Source, surroundings: Surroundings): Converted {
  const settings = readUnit(source.text);
  const notes: Note[] = [];
  const of = (name: string): string[] =>
    settings.filter((one) => one.name === name).map(({ value }) => value);
  const socket = socketBeside(source, surroundings);
  const pools = of('ExecStart').flatMap((command) => {
    const name = basename(source.path).replace(/\.service$/, '');
    const draft = new Draft(source.path, source.path === 'standard input' ? '' : name);
    const written = systemdWords(command.replace(/^[-@:+!]+/, ''), name, draft);
    const environment = of('Environment').flatMap((text) => systemdWords(text, name, draft));
    const values = valuesOf(environment);
    const words = expandVariables(written, values, draft);
    const isSocket = of('StandardInput').at(-1) === 'socket' || socket !== undefined;
    if (!args.addCommand(draft, words)) {
      if (!isSocket) return [];
      args.takeProgram(draft, words);
    }
    for (const setting of settings) if (sections.has(setting.section)) apply(draft, setting, name);
    for (const later of of('ExecStartPost')) follow(draft, later, name, values);
    if (isSocket) addSocket(draft, socket, notes);
    return [draft.finish()];
  });
  return { pools, notes };
}

/** Environment='s. */
function valuesOf(environment: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    environment.map((text): [string, string] => [
      text.slice(0, text.indexOf('=')),
      text.slice(text.indexOf('=') + 1),
    ]),
  );
}

function expandVariables(
  words: readonly string[],
  values: ReadonlyMap<string, string>,
  draft: Draft,
): string[] {
  return words.flatMap((word) => {
    const known = expandWord(word, values);
    if (Array.isArray(known)) return known;
    draft.lose(`${word}: no Environment= says what ${known.unknown.join(', ')} is; it is left out`);
    return [];
  });
}

/** `$NAME` as a word of its own is split, `${NAME}` is not: as systemd does, by what Environment= says. */
function expandWord(word: string, values: ReadonlyMap<string, string>): string[] | { unknown: string[] } {
  const names = [...word.matchAll(/\$(?:\{(\w+)\}|(\w+)$)/g)].map(
    ([, braced, plain]) => braced ?? plain ?? '',
  );
  if (names.length === 0) return [word.replaceAll('$$', '$')];
  const unknown = names.filter((name) => !values.has(name));
  if (unknown.length > 0) return { unknown };
  const split = /^\$(\w+)$/.exec(word)?.[1];
  if (split !== undefined) return (values.get(split) ?? '').split(/\s+/).filter(Boolean);
  return [word.replaceAll(/\$\{(\w+)\}/g, (_all, name: string) => values.get(name) ?? '')];
}

function apply(draft: Draft, { name, value, section }: UnitSetting, unit: string): void {
  if (section !== 'Service') return;
  const row = findRow(systemdRows, name);
  if (!row) draft.remark(`${name}=${value}: it is the unit's, and may stand in the new one`);
  else row.apply?.(draft, value, { unit });
}

function follow(draft: Draft, command: string, unit: string, values: ReadonlyMap<string, string>): void {
  const written = systemdWords(command.replace(/^[-@:+!]+/, ''), unit, draft);
  const words = written.flatMap((word) => {
    const known = expandWord(word, values);
    return Array.isArray(known) ? args.toFields(known) : [{ text: word, unknown: [word] }];
  });
  if (!changeSocket(draft, words))
    draft.lose(`ExecStartPost=${command}: it is not run here; it may stand in the new unit`);
}

/** NAME.socket, if it is there. */
function socketBeside(source: Source, surroundings: Surroundings): Source | undefined {
  const name = basename(source.path).replace(/\.service$/, '.socket');
  const file = name.endsWith('.socket') ? surroundings.include(name, source)[0] : undefined;
  return file?.refusal === undefined ? file : undefined;
}

function addSocket(draft: Draft, socket: Source | undefined, notes: Note[]): void {
  if (socket) {
    addSocketSettings(draft, readUnit(socket.text), basename(socket.path));
    draft.remark('the program gets the socket as descriptor 0, as FastCGI has it, and not by LISTEN_FDS');
  } else {
    draft.options.listenFd = '0';
    notes.push({
      isLost: true,
      says: 'its .socket is not beside it: keep it, with Accept=no, for the new unit',
    });
  }
}
