// A unit of systemd that runs spawn-fcgi 1.6 or multiwatch, or a program on the socket of a .socket (StandardInput=socket).
import { basename } from 'node:path';
import { systemdWords, readUnit, type UnitSetting } from '../syntax/systemd-unit-text.ts';
import { type Converted, Draft, type Note } from '../wanted-pool.ts';
import * as args from './arguments.ts';
import type { Kind, Source, Surroundings } from './kind.ts';
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
  const pools = of('ExecStart').flatMap((command) => {
    const name = basename(source.path).replace(/\.service$/, '');
    const draft = new Draft(source.path, source.path === 'standard input' ? '' : name);
    const words = systemdWords(command.replace(/^[-@:+!]+/, ''), name, draft);
    const isSocket = of('StandardInput').at(-1) === 'socket';
    if (!args.addCommand(draft, words) && !isSocket) return [];
    if (isSocket && draft.program.length === 0) args.takeProgram(draft, words);
    for (const setting of settings) if (sections.has(setting.section)) apply(draft, setting, name);
    if (isSocket) addSocket(draft, source, surroundings, notes);
    return [draft.finish()];
  });
  return { pools, notes };
}

function apply(draft: Draft, { name, value, section }: UnitSetting, unit: string): void {
  if (section !== 'Service') return;
  const row = findRow(systemdRows, name);
  if (!row) draft.remark(`${name}=${value}: it is the unit's, and may stand in the new one`);
  else row.apply?.(draft, value, { unit });
}

function addSocket(draft: Draft, source: Source, surroundings: Surroundings, notes: Note[]): void {
  const name = basename(source.path).replace(/\.service$/, '.socket');
  const file = name.endsWith('.socket') ? surroundings.include(name, source)[0] : undefined;
  if (file?.refusal === undefined && file !== undefined) addSocketSettings(draft, readUnit(file.text), name);
  else {
    draft.options.listenFd = '0';
    notes.push({ isLost: true, says: `${name} is not beside it: keep it, with Accept=no, for the new unit` });
  }
}
