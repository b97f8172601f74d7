// OpenRC's conf.d of spawn-fcgi, as Gentoo's and Alpine's packages read it.
import { type Converted, Draft } from '../wanted-pool.ts';
import { addArguments, takeProgram, toFields } from './arguments.ts';
import { instanceOf, isAssignments, knownValue, readAssignments } from './assignments.ts';
import type { Kind, Source } from './kind.ts';
import type { Row } from '../settings/row.ts';

export const openrc: Kind = {
  name: 'openrc',
  title: "OpenRC's conf.d",
  matches: (source) =>
    /^\s*#?\s*(?:export\s+)?FCGI_(?:PROGRAM|SOCKET|PORT|CHILDREN|USER)=/m.test(source.text) &&
    isAssignments(source),
  read: readConfd,
};

interface Place {
  readonly get: (name: string) => string | undefined;
}

export const openrcRows: readonly Row<Place>[] = [
  {
    names: 'FCGI_PROGRAM',
    becomes: 'the program behind `--`, split at blanks',
    apply: (draft, value) => takeProgram(draft, value.split(/\s+/).filter(Boolean)),
  },
  {
    names: 'FCGI_SOCKET',
    becomes: '`-s`; the script has `-1`, `-2` … behind the path, a socket for each child',
    apply: ({ options }, value) => {
      options.socket = value;
    },
  },
  {
    names: 'FCGI_ADDRESS FCGI_PORT',
    becomes: '`-a`, `-p`; 127.0.0.1 and 1234 without them',
    apply: ({ options }, _value, { get }) => {
      if (get('FCGI_SOCKET') !== undefined) return;
      options.address = get('FCGI_ADDRESS') ?? '127.0.0.1';
      options.port = get('FCGI_PORT') ?? '1234';
    },
  },
  {
    names: 'FCGI_CHILDREN FCGI_WORKERS',
    becomes: '`-F`, one socket for all of them',
    apply: ({ options }, value) => {
      options.workers = value;
    },
  },
  {
    names: 'FCGI_USER',
    becomes: '`-u`, unless it is root',
    apply: ({ options }, value) => {
      if (value !== 'root') options.user = value;
    },
  },
  {
    names: 'FCGI_GROUP',
    becomes: '`-g`, unless it is root',
    apply: ({ options }, value) => {
      if (value !== 'root') options.group = value;
    },
  },
  {
    names: 'FCGI_CHROOT',
    becomes: '`-c`',
    apply: ({ options }, value) => {
      options.chroot = value;
    },
  },
  {
    names: 'FCGI_CHDIR FCGI_DIR',
    becomes: '`-d`',
    apply: ({ options }, value) => {
      options.chdir = value;
    },
  },
  {
    names: 'FCGI_EXTRA_OPTIONS',
    becomes: 'these options, split at blanks',
    apply: (draft, value) => {
      addArguments(draft, toFields(value.split(/\s+/).filter(Boolean)));
    },
  },
  {
    names: 'ALLOWED_ENV',
    becomes:
      '`env -i` and `--env` for each of the variables that has a value; without it the environment is empty but for PATH, as there',
    apply: (draft, value, { get }) => {
      for (const name of value.split(/\s+/).filter(Boolean)) {
        const known = get(name);
        if (known !== undefined) draft.addVariable(name, known);
        else draft.inherits = [...(draft.inherits ?? []), name];
      }
    },
  },
];

function readConfd(source: Source): Converted {
  const values = readAssignments(source);
  const draft = new Draft(source.path, instanceOf(source));
  const get = (name: string): string | undefined => knownValue(draft, values, name);
  draft.inherits = [];
  for (const row of openrcRows)
    for (const name of row.names.split(' ')) {
      const value = get(name);
      if (value !== undefined) row.apply?.(draft, value, { get });
    }
  const { options } = draft;
  if (options.socket === undefined) {
    options.address ??= '127.0.0.1';
    options.port ??= '1234';
  }
  sayOthers(draft, [...values.keys()], get);
  if (get('FCGI_WORKERS') === undefined)
    draft.remark(
      `one socket, ${options.socket ?? `port ${options.port}`}, for all workers: the script of the package has a pool with a socket for each (${options.socket === undefined ? 'port after port' : `${options.socket}-1, -2 …`}), which the web server chooses from; give it this one`,
    );
  if (draft.program.length > 0) return { pools: [draft.finish()], notes: [] };
  return { pools: [], notes: [{ isLost: true, says: 'FCGI_PROGRAM is not set, or commented out' }] };
}

function sayOthers(draft: Draft, names: readonly string[], get: Place['get']): void {
  const known = new Set(openrcRows.flatMap((row) => row.names.split(' ')));
  const allowed = new Set((get('ALLOWED_ENV') ?? '').split(/\s+/));
  for (const name of names)
    if (!known.has(name) && !allowed.has(name) && get(name) !== undefined && /^(?:FCGI|PHP|RC)_/.test(name))
      draft.lose(`${name}: the script gives its program only what ALLOWED_ENV names`);
}
