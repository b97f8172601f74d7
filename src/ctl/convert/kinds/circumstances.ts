// What sudo, env, cd, umask and ulimit around a command mean for the pool.
import { posix } from 'node:path';
import { isUnsaid } from '../shell/expand.ts';
import type { Circumstances } from '../shell/wrappers.ts';
import type { Draft } from '../wanted-pool.ts';

export function addCircumstances(draft: Draft, given: Circumstances): void {
  for (const [name, { text, unknown }] of given.variables)
    if (unknown.length === 0) draft.addVariable(name, text);
    else draft.lose(`${name}=${text}: the input does not say what that is; add --env ${name}=VALUE`);
  draft.inherits = given.inherits;
  const { options } = draft;
  const around = withoutUnsaid(draft, given);
  addUser(draft, around);
  if (around.umask !== undefined) {
    options.umask ??= around.umask;
    options.socketMode ??= toOctal(0o660 & ~Number.parseInt(around.umask, 8));
    if (options.socket === undefined) delete options.socketMode;
  }
  for (const limit of around.limits) draft.addLimit(limit);
  if (around.nice !== undefined) options.nice ??= around.nice;
  if (around.chroot !== undefined) options.chroot ??= around.chroot;
  if (around.directory !== undefined) enter(draft, around.directory);
}

/** What only a run would tell is named, and left out. */
function withoutUnsaid(draft: Draft, given: Circumstances): Circumstances {
  const said = <Text extends string | undefined>(
    text: Text,
    what: string,
    instead: string,
  ): Text | undefined => {
    if (text === undefined || !isUnsaid(text)) return text;
    draft.lose(`${what} ${text}: the input does not say what that is; give ${instead} by hand`);
    return undefined;
  };
  const umask = said(given.umask, 'umask', '--umask and -M');
  const isMask = umask === undefined || /^[0-7]{1,4}$/.test(umask);
  if (!isMask) draft.lose(`umask ${umask}: --umask takes an octal number; give --umask and -M by hand`);
  return {
    ...given,
    user: said(given.user, 'as user', '-u'),
    group: said(given.group, 'as group', '-g'),
    umask: isMask ? umask : undefined,
    limits: given.limits.filter((limit) => said(limit, 'ulimit', '--rlimit') !== undefined),
    nice: said(given.nice, 'nice', '--nice'),
    chroot: said(given.chroot, 'chroot', '-c'),
    directory: said(given.directory, 'cd', '-d, and whole paths for -s and -P,'),
  };
}

function addUser(draft: Draft, { user, group }: Circumstances): void {
  const { options } = draft;
  if (user === undefined || user === 'root') return;
  if (options.user !== undefined && options.user !== user)
    draft.remark(`-u ${options.user}: 1.6 ignores it, since it is started as ${user}`);
  options.user = user;
  if (group === undefined) delete options.group;
  else options.group = group;
}

function enter(draft: Draft, directory: string): void {
  const { options } = draft;
  for (const key of ['socket', 'pidFile'] as const) {
    const path = options[key];
    if (path !== undefined) options[key] = posix.resolve('/', directory, path);
  }
  options.chdir = posix.resolve('/', directory, options.chdir ?? '');
}

function toOctal(mode: number): string {
  return `0${mode.toString(8)}`;
}
