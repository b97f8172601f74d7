// Command lines of spawn-fcgi 1.6 and of multiwatch, as they stand in a script, an init script, or alone.
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { readScript, type Run, type Script } from '../shell/script.ts';
import { type Converted, Draft } from '../wanted-pool.ts';
import * as args from './arguments.ts';
import { addCircumstances } from './circumstances.ts';
import { followSocket } from './socket-changes.ts';
import { type Kind, lines, type Source } from './kind.ts';

export const commandLine: Kind = {
  name: 'command-line',
  title: 'a command line of spawn-fcgi 1.6, alone or in a script',
  matches: ({ text }) => lines(text).some((line) => /spawn-?_?fcgi/i.test(line)),
  read: (source) =>
    readCommands(source, ({ argv: [first] }) => first !== undefined && args.isSpawnFcgi(first)),
};

export const multiwatch: Kind = {
  name: 'multiwatch',
  title: 'a command line of multiwatch, behind spawn-fcgi or alone',
  matches: ({ text }) => lines(text).some((line) => /\bmultiwatch\b/.test(line)),
  read: (source) =>
    readCommands(source, ({ argv: [first] }) =>
      first !== undefined ? args.isSpawnFcgi(first) || args.isMultiwatch(first.text) : false,
    ),
};

function readCommands(source: Source, isMeant: (run: Run) => boolean): Converted {
  const script = readScript(ofDockerfile(source.text));
  const pools = [...script.runs, ...script.asked].flatMap((run) => {
    const draft = isMeant(run) ? readRun(run, script, source) : readBehind(run, script, source);
    return draft ? [draft.finish()] : [];
  });
  return { pools, notes: [] };
}

/** `xvfb-run spawn-fcgi -p 9000 -- program`: behind a command that nobody knows, if it would start something. */
function readBehind(run: Run, script: Script, source: Source): Draft | undefined {
  const at = run.argv.findIndex((field, index) => index > 0 && args.isSpawnFcgi(field));
  if (at < 0 || /^(?:.*\/)?(?:echo|printf|logger)$/.test(run.argv[0]?.text ?? '')) return undefined;
  const draft = readRun(run, script, source, run.argv.slice(at));
  const { socket, port } = draft?.options ?? {};
  if (!draft || (socket === undefined && port === undefined)) return undefined;
  const wrapper = run.argv.slice(0, at).map(({ text }) => text);
  draft.lose(
    `\`${wrapper.join(' ')}\` in front of it: not known; what it does for the program it does in front of the program, too`,
  );
  return draft;
}

/** A Dockerfile's `CMD ["spawn-fcgi", "-n"]` and `CMD spawn-fcgi -n` as a shell's lines, of which there are as many. */
function ofDockerfile(text: string): string {
  return text.replaceAll(/^(?:CMD|ENTRYPOINT)[ \t]+(.*)$/gm, (_all, command: string) => {
    const words = command.startsWith('[') ? parseWords(command) : undefined;
    return words === undefined ? command : words.map(shellQuote).join(' ');
  });
}

function parseWords(text: string): string[] | undefined {
  try {
    const words: unknown = JSON.parse(text);
    const isWords = Array.isArray(words) && words.every((word) => typeof word === 'string');
    return isWords ? words : undefined;
  } catch {
    return undefined;
  }
}

function readRun(run: Run, script: Script, { path }: Source, argv = run.argv): Draft | undefined {
  const [first, ...rest] = argv;
  const draft = new Draft(`${path}:${run.line}`);
  if (first && args.isMultiwatch(first.text)) {
    draft.options.foreground = true;
    draft.options.listenFd = '0';
    args.takeProgram(
      draft,
      argv.map(({ text }) => text),
    );
  } else if (!args.addArguments(draft, rest)) return undefined;
  addCircumstances(draft, run);
  followSocket(draft, run, script);
  sayLoop(draft, run);
  for (const name of new Set(run.names.filter((one) => script.reassigned.has(one))))
    draft.remark(`${name} is assigned more than once: its last value before the command was taken`);
  return draft;
}

function sayLoop(draft: Draft, { loop }: Run): void {
  if (loop === undefined) return;
  draft.lose(
    `\`${loop}\`: the command stands in a loop, and starts as many pools; this is one of them. Where it starts one worker a time, -F starts them all on one socket`,
  );
}
