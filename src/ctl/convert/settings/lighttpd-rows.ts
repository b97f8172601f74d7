// What becomes of each setting of a server in lighttpd's fastcgi.server: docs/convert.md has the table that is made of these
// rows.
import { entriesOf, textOf, type Value, type Variables } from '../syntax/lighttpd-config.ts';
import { signalName } from './signal-name.ts';
import type { Row } from './row.ts';

export interface LighttpdPool {
  readonly own: ReadonlyMap<string, Value>;
  /** Of the whole configuration. */
  readonly settings: ReadonlyMap<string, Value>;
  readonly variables: Variables;
}

export const lighttpdRows: readonly Row<LighttpdPool>[] = [
  {
    names: 'bin-path',
    becomes: 'the program behind `--`, split at blanks, and `-d` with its directory, as lighttpd does both',
  },
  {
    names: 'socket',
    becomes: '`-s`; lighttpd has `-0`, `-1` … behind the path, a socket for each process',
    apply: ({ options }, value) => {
      options.socket = value;
    },
  },
  {
    names: 'host',
    becomes: '`-a`; 127.0.0.1 without it',
    apply: ({ options }, value) => {
      if (value.startsWith('/')) options.socket = value;
      else options.address = value;
    },
  },
  {
    names: 'port',
    becomes: '`-p`',
    apply: ({ options }, value) => {
      options.port = value;
    },
  },
  {
    names: 'max-procs',
    becomes: '`-F`; 4 without it, as there',
    apply: ({ options }, value) => {
      options.workers = value;
    },
  },
  {
    names: 'min-procs idle-timeout max-load-per-proc',
    becomes: 'named: lighttpd has started `max-procs` since 1.4.23; `-F MIN-MAX` moves with the load',
    apply: (draft) => {
      const least = textOf(draft.options.workers === undefined ? undefined : draft.options.workers);
      draft.remark(
        `min-procs, idle-timeout, max-load-per-proc: lighttpd has not heeded them since 1.4.23; -F MIN-${least} moves with the load`,
      );
    },
  },
  {
    names: 'bin-environment',
    becomes:
      '`--env`; the PHP_FCGI_CHILDREN=1 that lighttpd adds is left out, since a php-cgi needs no child',
    apply: (draft, _text, { own }) => {
      for (const { key, value } of entriesOf(own.get('bin-environment')))
        if (key !== undefined) draft.addVariable(key, textOf(value));
    },
  },
  {
    names: 'bin-copy-environment',
    becomes: '`env -i` with these variables in front of the command; without it all variables pass, as there',
    apply: (draft, _text, { own }) => {
      const names = entriesOf(own.get('bin-copy-environment')).map(({ value }) => textOf(value));
      if (names.length > 0) draft.inherits = names;
    },
  },
  {
    names: 'listen-backlog',
    becomes: '`-b`',
    apply: ({ options }, value) => {
      options.backlog = value;
    },
  },
  {
    names: 'kill-signal',
    becomes: '`--stop-signal`; TERM is left to `auto`, which lets requests end',
    apply: (draft, value) => {
      const name = signalName(value);
      if (name === undefined) draft.lose(`"kill-signal" => ${value}: no signal`);
      else if (name === 'KILL') draft.options.stopSignal = 'idle-kill';
      else if (name !== 'TERM') draft.options.stopSignal = name;
    },
  },
  {
    names:
      'check-local mode docroot broken-scriptfilename fix-root-scriptname strip-request-uri disable-time allow-x-send-file allow-x-sendfile x-sendfile x-sendfile-docroot balance connect-timeout write-timeout read-timeout tcp-fin-propagate upgrade',
    becomes: 'nothing: it is about requests, and stays in lighttpd.conf',
  },
];
