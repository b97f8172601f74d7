// Command lines of spawn-fcgi 1.6 and of multiwatch, as they stand in a script, an init script, or alone.
import { readScript, type Run, type Script } from '../shell/script.ts';
import { type Converted, Draft, type Note } from '../wanted-pool.ts';
import * as args from './arguments.ts';
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
  const script = readScript(source.text);
  const notes: Note[] = [];
  const pools = script.runs.filter(isMeant).flatMap((run) => {
    const draft = readRun(run, script, source);
    return draft ? [draft.finish()] : [];
  });
  return { pools, notes };
}

function readRun(run: Run, script: Script, { path }: Source): Draft | undefined {
  const [first, ...rest] = run.argv;
  const draft = new Draft(`${path}:${run.line}`);
  if (first && args.isMultiwatch(first.text)) {
    draft.options.foreground = true;
    draft.options.listenFd = '0';
    args.takeProgram(
      draft,
      run.argv.map(({ text }) => text),
    );
  } else if (!args.addArguments(draft, rest)) return undefined;
  args.addCircumstances(draft, run);
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
