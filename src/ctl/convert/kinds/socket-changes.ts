// chmod, chown and chgrp of the socket behind a start, as scripts and ExecStartPost= have them: options of spawn-fcgi, which
// make the socket so from its first moment.
import { posix } from 'node:path';
import type { Field } from '../shell/expand.ts';
import type { Draft } from '../wanted-pool.ts';

/** `directory`: where a relative path begins. False: it is about something else. */
export function changeSocket(draft: Draft, argv: readonly Field[], directory = '/'): boolean {
  const [name = '', first = '', ...paths] = argv
    .filter(({ text }, index) => index === 0 || !text.startsWith('-'))
    .map(({ text }) => text);
  const command = posix.basename(name);
  const { socket } = draft.options;
  const isMeant = (path: string): boolean =>
    posix.resolve(directory, path) === posix.resolve(directory, socket ?? '');
  if (socket === undefined || !/^(?:chmod|chown|chgrp)$/.test(command) || !paths.some(isMeant)) return false;
  const said = `${command} ${first}`;
  if (argv[1]?.unknown.length) draft.lose(`${said} of the socket: the input does not say what that is`);
  else if (command === 'chmod') changeMode(draft, first, said);
  else changeOwner(draft, command === 'chgrp' ? `:${first}` : first);
  return true;
}

function changeMode(draft: Draft, mode: string, said: string): void {
  if (/^[0-7]{3,4}$/.test(mode)) draft.options.socketMode = mode;
  else draft.lose(`${said} of the socket: -M takes a mode in octal digits`);
}

function changeOwner({ options }: Draft, owner: string): void {
  const [user, group] = owner.split(/[:.]/);
  if (user) options.socketUser = user;
  if (group) options.socketGroup = group;
}
