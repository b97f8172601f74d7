// chmod, chown and chgrp of the socket behind a start, as scripts and ExecStartPost= have them: options of spawn-fcgi, which
// make the socket so from its first moment. What is no such option is named.
import { posix } from 'node:path';
import { type Field, isUnsaid, matchesForm } from '../shell/expand.ts';
import type { Run, Script } from '../shell/script.ts';
import type { Draft } from '../wanted-pool.ts';

/** What the script does to the socket behind that start. */
export function followSocket(draft: Draft, run: Run, { runs }: Script): void {
  const at = runs.indexOf(run);
  // A start in `$( … )` is not among them, and has only its line.
  const behind = at < 0 ? runs.filter(({ line }) => line >= run.line) : runs.slice(at + 1);
  for (const { argv, directory } of behind) changeSocket(draft, argv, directory);
}

/** `directory`: where a relative path begins. False: it is about something else. */
export function changeSocket(draft: Draft, argv: readonly Field[], directory = '/'): boolean {
  const command = posix.basename(argv[0]?.text ?? '');
  if (!/^(?:chmod|chown|chgrp|setfacl|chcon)$/.test(command)) return false;
  const { flags, strange, operands } = readWords(argv.slice(1));
  const isRecursive = flags.some((flag) => /^(?:-\w*R|--recursive)/.test(flag));
  const [first, ...paths] = operands;
  const isForm = first !== undefined && paths.length > 0 && !strange && /^ch(?:mod|own|grp)$/.test(command);
  const aims = (isForm ? paths : operands).map((field) => aimOf(draft, field, directory, isRecursive));
  if (aims.every((aim) => aim === 'elsewhere')) return false;
  const whole = argv.map(({ text }) => text).join(' ');
  const said = `${command} ${first?.text}`;
  if (!aims.includes('socket'))
    draft.lose(
      `${whole}: the input does not say whether that is the socket; if so, give -M, -U or -G by hand`,
    );
  else if (!isForm) draft.lose(`${whole}: not what -M, -U and -G are; it is to be called behind the start`);
  else if (first.unknown.length > 0) draft.lose(`${said} of the socket: the input does not say what that is`);
  else if (command === 'chmod') changeMode(draft, first.text, said);
  else if (command === 'chgrp') draft.options.socketGroup = first.text;
  else changeOwner(draft, first.text, said);
  return true;
}

interface Words {
  readonly flags: readonly string[];
  /** Whether there is another option, which may mean anything: `--reference=FILE`, and the mode `-w`. */
  readonly strange: boolean;
  readonly operands: readonly Field[];
}

/** Options may stand anywhere before a `--`. */
function readWords(words: readonly Field[]): Words {
  const end = words.findIndex(({ text }) => text === '--');
  const front = end < 0 ? words : words.slice(0, end);
  const isOption = ({ text, unknown }: Field): boolean => /^-./.test(text) && unknown.length === 0;
  const flags = front.filter(isOption).map(({ text }) => text);
  const isPlain = (flag: string): boolean =>
    /^(?:-[cfvRhHLP]+|--(?:changes|silent|quiet|verbose|recursive|(?:no-)?dereference|(?:no-)?preserve-root))$/.test(
      flag,
    );
  const behind = end < 0 ? [] : words.slice(end + 1);
  const operands = [...front.filter((field) => !isOption(field)), ...behind];
  return { flags, strange: !flags.every(isPlain), operands };
}

type Aim = 'socket' | 'perhaps' | 'elsewhere';

/** Whether a path is the socket's, or with -R above it. */
function aimOf({ options }: Draft, field: Field, directory: string, isRecursive: boolean): Aim {
  const { socket, port, listenFd } = options;
  const { text, unknown } = field;
  if (socket === undefined) {
    const isOpen = port === undefined && listenFd === undefined;
    return isOpen && unknown.length > 0 ? 'perhaps' : 'elsewhere';
  }
  const jail = options.socketBeforeChroot ? '' : (options.chroot ?? '');
  const place = posix.join('/', jail, posix.resolve(jail === '' ? directory : '/', socket));
  const places = isRecursive ? [place, ...above(place)] : [place];
  if (unknown.length === 0 && places.includes(posix.resolve(directory, text))) return 'socket';
  const form = formOf(field, directory);
  return form.includes('*') && places.some((one) => matchesForm(one, form)) ? 'perhaps' : 'elsewhere';
}

/** A path with `*` for each pattern in it, and for what is not known. */
function formOf({ text, unknown }: Field, directory: string): string {
  let form = text;
  for (const source of unknown) form = form.replace(source, () => '*');
  form = form.replaceAll(/\?|\[[^\]]*\]/g, '*');
  if (unknown.some((source) => text.startsWith(source))) return form;
  return isUnsaid(directory) && !form.startsWith('/')
    ? `*/${posix.normalize(form)}`
    : posix.resolve(directory, form);
}

function above(path: string): string[] {
  const parent = posix.dirname(path);
  return parent === path ? [] : [parent, ...above(parent)];
}

function changeMode(draft: Draft, mode: string, said: string): void {
  if (/^[0-7]{3,4}$/.test(mode)) draft.options.socketMode = mode;
  else draft.lose(`${said} of the socket: -M takes a mode in octal digits`);
}

/** `user`, `user:group`, `:group`; `user:` is the user's own group, too; a dot is what the colon was once. */
function changeOwner(draft: Draft, owner: string, said: string): void {
  const { options } = draft;
  const separator = /:/.exec(owner) ?? /\./.exec(owner);
  const user = owner.slice(0, separator?.index);
  const group = separator ? owner.slice(separator.index + 1) : '';
  if (user) options.socketUser = user;
  if (group) options.socketGroup = group;
  else if (separator && user) delete options.socketGroup;
  else if (user && options.group !== undefined) options.socketGroup ??= options.group;
  else if (user && options.socketGroup === undefined)
    draft.remark(`${said} of the socket: that leaves its group, and -U alone makes it ${user}'s: -G GROUP`);
  if (separator?.[0] === '.')
    draft.remark(`${said} of the socket: as a user and a group; if a user is called so: -U ${owner}`);
}
