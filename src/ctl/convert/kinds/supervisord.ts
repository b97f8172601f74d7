// supervisord's [fcgi-program:x], and a [program:x] that runs spawn-fcgi, multiwatch or `php-cgi -b`.
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { readPythonIni, type Section } from '../syntax/python-ini.ts';
import { expandText } from '../syntax/supervisord-text.ts';
import { type Converted, Draft, type Note, type WantedPool } from '../wanted-pool.ts';
import * as args from './arguments.ts';
import type { Kind, Source, Surroundings } from './kind.ts';
import { addProgramSettings } from '../settings/supervisord-rows.ts';
import type { Program } from '../settings/supervisord-values.ts';

export const supervisord: Kind = {
  name: 'supervisord',
  title: "supervisord's configuration",
  matches: ({ text }) => /^[ \t]*\[(?:fcgi-program|program|supervisord)(?::|\])/m.test(text),
  read: readSupervisord,
};

interface Located {
  readonly section: Section;
  readonly source: Source;
}

function readSupervisord(source: Source, surroundings: Surroundings): Converted {
  const notes: Note[] = [];
  const sections = locate(source);
  const here = dirname(resolve(source.path));
  for (const { section } of sections.filter((one) => one.section.name === 'include'))
    for (const { name, value } of section.settings)
      if (name === 'files') sections.push(...include(value, here, source, surroundings, notes));
  const daemon = sections.find(({ section }) => section.name === 'supervisord')?.section;
  const pools = sections.flatMap(({ section, source: { path } }) => {
    const [, kind, name = ''] = /^(fcgi-program|program):(.*)$/.exec(section.name) ?? [];
    if (kind === undefined) return [];
    const program = { section, daemon, name, path, here: dirname(resolve(path)), surroundings };
    const pool = kind === 'program' ? readProgram(program) : readFcgiProgram(program);
    return pool ? [pool] : [];
  });
  return { pools, notes };
}

function locate(source: Source): Located[] {
  return readPythonIni(source.text).map((section) => ({ section, source }));
}

function include(
  value: string,
  here: string,
  source: Source,
  surroundings: Surroundings,
  notes: Note[],
): Located[] {
  const names = { here, host_node_name: hostname() };
  const { text, unknown } = expandText(value, { names, environment: surroundings.environment });
  if (unknown.length > 0)
    notes.push({
      isLost: true,
      says: `files = ${value}: ${unknown.join(', ')} is not known; convert those files by themselves`,
    });
  return text.split(/\s+/).flatMap((pattern) => {
    if (pattern === '') return [];
    return surroundings.include(pattern, source).flatMap((file) => {
      if (file.refusal === undefined) return locate(file);
      notes.push({ isLost: true, says: `${file.path}, which it includes: ${file.refusal}` });
      return [];
    });
  });
}

function readFcgiProgram(program: Program): WantedPool {
  const draft = new Draft(`${program.path}: [${program.section.name}]`, program.name);
  addProgramSettings(draft, program);
  if (draft.program.length === 0) draft.lose('there is no command= in it');
  const { socket, port } = draft.options;
  if (socket === undefined && port === undefined) draft.lose('there is no socket= in it that can be used');
  return draft.finish();
}

/** Undefined: it is no pool. */
function readProgram(program: Program): WantedPool | undefined {
  const draft = new Draft(`${program.path}: [${program.section.name}]`, program.name);
  addProgramSettings(draft, program);
  const [first = '', ...rest] = draft.program;
  if (!args.addCommand(draft, [first, ...rest])) return undefined;
  return draft.finish();
}
