// What pages say to type is what the commands take: each `spawn-fcgi …` and `spawn-fcgictl …`, in blocks and in the text,
// is read by the parser of the command.
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/command-line/parse-config.ts';
import { readCommandLine } from '../../src/command-line/read-command-line.ts';
import { parseArguments } from '../../src/ctl/program.ts';
import * as pages from '../helpers/pages/index.ts';

const commands = pages.writtenCommands();
const left = /^(?:…|\.\.\.)$/;

/** What stands for something, as something; what may be left out, as if it were there. */
function example(words: readonly string[]): string[] {
  return words
    .filter((word) => !left.test(word))
    .flatMap((word) => word.replaceAll(/^\[|\]$|…/g, ''))
    .map((word) =>
      word
        .replace(/^A-B$/, '2-8')
        .replace(/^N$/, '3')
        .replace(/^TIME$/, '5s'),
    );
}

function refusal(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Only where it is all there: with a program, and no words that a shell fills in. */
function readOurs(words: readonly string[]): void {
  const request = readCommandLine(example(words), false);
  if (request.kind !== 'start') return;
  const isWhole = !words.some((word) => left.test(word) || /\$\w|\$\{|%t/.test(word));
  const hasProgram = request.program.length > 0 || request.options.command !== undefined;
  if (!isWhole || !hasProgram) return;
  parseConfig(
    request.options,
    request.program,
    true,
    request.options.socket === undefined ? 'spare' : 'nothing',
  );
}

/** In the text a command may stand for itself, without its target. */
function readCtl(words: readonly string[]): void {
  const problem = refusal(() => parseArguments(example(words)));
  const isNamedOnly = !words.some((word) => /^[/@:]|\d/.test(word));
  if (problem !== undefined && !(isNamedOnly && problem.includes('missing required argument')))
    throw new Error(problem);
}

test('every command of ours on a page is one that it takes', () => {
  const read = { 'spawn-fcgi': readOurs, 'spawn-fcgictl': readCtl };
  const refused = commands
    .filter(({ words }) => words.length > 0)
    .map(({ page, line, program, words }) => ({
      at: `${page}:${line}: ${program} ${words.join(' ')}`,
      problem: refusal(() => read[program](words)),
    }));
  expect(refused.length).toBeGreaterThan(120);
  expect(refused.filter(({ problem }) => problem !== undefined)).toEqual([]);
});
