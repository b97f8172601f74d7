// What spawn-fcgictl's -h and the line of a mistake say: which commands there are, and where each is explained.
import { describe, expect, test } from 'vitest';
import { createProgram, parseArguments } from '../../src/ctl/program.ts';

const commands = createProgram().commands.map((command) => command.name());

function helpOf(...args: string[]): string {
  const parsed = parseArguments([...args, '-h']);
  return parsed.kind === 'text' ? parsed.text : '';
}

function mistakeOf(...args: string[]): string {
  try {
    parseArguments(args);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('help', () => {
  test.each([[], ...commands.map((command) => [command])])('of %s fits into 80 columns', (...args) => {
    const lines = helpOf(...args).split('\n');
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  test('no option or command has a line broken by hand within its text', () => {
    const texts = [createProgram(), ...createProgram().commands].flatMap((command) => [
      command.description(),
      ...command.options.map((option) => option.description),
    ]);
    expect(texts.filter((text) => text.includes('\n'))).toEqual([]);
  });

  test.each(commands)('of %s has the options that each command takes', (command) => {
    expect(helpOf(command)).toContain('--timeout <time>');
  });

  test.each(commands)('of %s has its exit statuses', (command) => {
    expect(helpOf(command)).toMatch(/\nExit status: 0 /);
  });

  test('of all commands shows a target that must be there without brackets', () => {
    expect(helpOf()).toMatch(/^ {2}ping \[options\] <target> /m);
  });
});

describe('the line of a mistake names the help that has the answer:', () => {
  test.each([
    [['reload'], 'spawn-fcgictl reload -h'],
    [['--timeout', '5s', 'reload', '--ealry', '/run/app.pid'], 'spawn-fcgictl reload -h'],
    [['status', '--interval', '1s'], 'spawn-fcgictl status -h'],
    [['ping', '--probe', 'page', '9000'], 'spawn-fcgictl ping -h'],
    [['logs', '9000', '-n', 'ten'], 'spawn-fcgictl logs -h'],
    [['events', '9000', '--json', '--exec', 'cat'], 'spawn-fcgictl events -h'],
    [['scale', '9000', 'many'], 'spawn-fcgictl scale -h'],
    [['frobnicate'], 'spawn-fcgictl -h'],
    [['ping', '9000', '--timeout', 'soon'], 'spawn-fcgictl -h'],
  ])('%j', (args, help) => {
    expect(mistakeOf(...args)).toMatch(new RegExp(`; see ${help}$`));
  });

  test('start is no mistyped restart', () => {
    expect(mistakeOf('start', '/run/app.sock')).toBe(
      'a pool is started by spawn-fcgi, with all of its options; see spawn-fcgi -h',
    );
  });
});
