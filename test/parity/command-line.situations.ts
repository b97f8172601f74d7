/** How the command line is read: clusters, order, repetition, and what is wrong with it. */
import { expect } from 'vitest';
import type { Difference, Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const refused = { status: 255, signal: null, stdout: '', workers: 0, outputEnds: true };

/** Ours: one line that says what is wrong, status 255, and nothing is started. */
function refusal(why: string, line: RegExp): Difference {
  return { why, ...refused, stderr: expect.stringMatching(line) };
}

const notANumber = 'numbers that are not numbers or out of range are errors';
const wrongOption = 'an unknown option, and an option without its argument, is an error';
const ownHelp = 'the help and the version are our own';

export const commandLineSituations: Situation[] = [
  {
    name: 'options each on their own',
    args: ['-a', '127.0.0.1', '-p', '<port>', '-b', '7', '--', './app', 'x'],
  },
  {
    name: 'values in the same word as their option',
    args: ['-a127.0.0.1', '-p<port>', '-b7', '--', './app'],
  },
  { name: 'no -- before the program', args: [...tcp, './app', 'one', 'two'] },
  { name: 'options after the name of the program', args: ['./app', ...tcp, '-b', '5', 'one'] },
  { name: 'options between the arguments of the program', args: [...tcp, './app', 'one', '-C', '2', 'two'] },
  { name: '-- keeps options for the program', args: [...tcp, '--', './app', '-p', '1', '-n', '--', '-h'] },
  { name: '-- after the name of the program', args: ['./app', ...tcp, '--', '-n', 'two'] },
  { name: 'a second -- belongs to the program', args: [...tcp, '--', './app', '--', 'x'] },
  {
    name: 'POSIXLY_CORRECT stops at the first operand',
    args: [...tcp, './app', '-p', '1', '-n'],
    env: { POSIXLY_CORRECT: '1' },
  },
  {
    name: 'an empty POSIXLY_CORRECT counts, too',
    args: [...tcp, './app', '-n'],
    env: { POSIXLY_CORRECT: '' },
  },
  {
    name: 'the last of repeated options wins',
    args: ['-p', '1', '-a', '::1', '-b', '3', ...tcp, '-b', '9', '--', './app'],
  },
  { name: 'the last of repeated -f wins', args: [...tcp, '-f', './missing', '-f', './app last'] },
  { name: 'an argument that is a lone dash', args: [...tcp, './app', '-', 'x'] },
  { name: 'empty arguments of the program', args: [...tcp, '--', './app', '', 'x', ''] },
  {
    name: 'arguments with spaces, quotes and a newline',
    args: [...tcp, '--', './app', 'a b', `"'$x\\`, 'c\nd', 'ü€'],
  },
  { name: 'arguments that are not UTF-8', args: [...tcp, '--', './app', 'a\xffb\xc3'], raw: true },
  {
    name: 'arguments that are not UTF-8, and -n',
    args: ['-n', ...tcp, '--', './app', 'a\xffb\xc3'],
    raw: true,
    foreground: true,
  },
  {
    name: 'a flag and an option with its value in one cluster',
    args: ['-a', '127.0.0.1', '-np', '<port>', './app'],
    foreground: true,
  },
  {
    name: '-v prints name and version',
    workers: 0,
    args: ['-v'],
    differs: { why: ownHelp, stdout: expect.stringMatching(/^spawn-fcgi v\d+\.\d+\.\d+/) },
  },
  {
    name: '-v wins over what is wrong after it',
    workers: 0,
    args: ['-v', '-p', 'x'],
    differs: { why: ownHelp, stdout: expect.stringMatching(/^spawn-fcgi v\d+\.\d+\.\d+/) },
  },
  ...['-h', '-?'].map((option): Situation => ({
    name: `${option} prints the help`,
    args: [option],
    workers: 0,
    differs: {
      why: ownHelp,
      stdout: expect.stringMatching(
        /^Usage: spawn-fcgi \[options\] \[-- <fcgiapp> \[fcgi app arguments\]\]\n/,
      ),
    },
  })),
  {
    name: 'no arguments at all: the help, and it is an error',
    args: [],
    workers: 0,
    differs: {
      why: ownHelp,
      stdout: expect.stringMatching(
        /^Usage: spawn-fcgi \[options\] \[-- <fcgiapp> \[fcgi app arguments\]\]\n/,
      ),
    },
  },
  { name: 'no program', args: [...tcp], workers: 0 },
  { name: 'no program after --', args: [...tcp, '--'], workers: 0 },
  { name: 'no program comes before no socket', args: ['-b', '3'], workers: 0 },
  { name: 'no socket', args: ['--', './app'], workers: 0 },
  { name: 'port 0 is no socket', args: ['-p', '0', '--', './app'], workers: 0 },
  { name: 'port 0 beside a socket path is none', args: ['-p', '0', '-s', '<dir>/run.sock', '--', './app'] },
  {
    name: 'both a port and a socket path',
    args: [...tcp, '-s', '<dir>/run.sock', '--', './app'],
    workers: 0,
  },
  { name: 'a port with letters behind it', args: ['-p', '80x', '--', './app'], workers: 0 },
  { name: 'a port of letters', args: ['-p', 'http', '--', './app'], workers: 0 },
  { name: 'a port in hexadecimal', args: ['-p', '0x50', '--', './app'], workers: 0 },
  {
    name: 'a port with leading zeros is decimal',
    args: ['-a', '127.0.0.1', '-p', '00<port>', '--', './app'],
  },
  {
    name: 'a port beyond 65535',
    args: ['-a', '127.0.0.1', '-p', '65536', '--', './app'],
    workers: 0,
    differs: refusal(notANumber, /^spawn-fcgi: invalid port: 65536\n$/),
  },
  {
    name: 'a negative port',
    args: ['-s', '<dir>/run.sock', '-p', '-65536', '--', './app'],
    differs: {
      ...refusal(notANumber, /^spawn-fcgi: invalid port: -65536\n$/),
      tree: { 'run.sock': undefined },
    },
  },
  { name: 'an empty port', args: ['-p', '', '--', './app'], workers: 0 },
  {
    name: '-F that is no number',
    args: [...tcp, '-F', 'abc', '--', './app'],
    workers: 0,
    differs: refusal(notANumber, /^spawn-fcgi: .*abc.*\n$/),
  },
  {
    name: '-F 0',
    args: [...tcp, '-F', '0', '--', './app'],
    workers: 0,
    differs: refusal(notANumber, /^spawn-fcgi: .*\n$/),
  },
  {
    name: '-F -1',
    args: [...tcp, '-F', '-1', '--', './app'],
    workers: 0,
    differs: refusal(notANumber, /^spawn-fcgi: .*-1.*\n$/),
  },
  {
    name: '-C that is no number',
    args: [...tcp, '-C', 'many', '--', './app'],
    differs: refusal(notANumber, /^spawn-fcgi: .*many.*\n$/),
  },
  {
    name: '-b that is no number',
    args: [...tcp, '-b', '1k', '--', './app'],
    differs: refusal(notANumber, /^spawn-fcgi: .*1k.*\n$/),
  },
  {
    name: '-M that is not octal',
    needsRoot: true,
    args: ['-s', '<dir>/run.sock', '-M', '0888', '--', './app'],
    differs: { ...refusal(notANumber, /^spawn-fcgi: .*0888.*\n$/), tree: { 'run.sock': undefined } },
  },
  {
    name: '-M beyond 7777',
    args: ['-s', '<dir>/run.sock', '-M', '17777', '--', './app'],
    differs: { ...refusal(notANumber, /^spawn-fcgi: .*17777.*\n$/), tree: { 'run.sock': undefined } },
  },
  {
    name: 'an unknown option',
    args: [...tcp, '-z', '--', './app'],
    workers: 0,
    differs: refusal(wrongOption, /^spawn-fcgi: invalid option -- 'z'\n$/),
  },
  {
    name: 'an unknown option in a cluster',
    args: [...tcp, '-nz', '--', './app'],
    workers: 0,
    differs: refusal(wrongOption, /^spawn-fcgi: invalid option -- 'z'\n$/),
  },
  {
    name: 'an unknown long option',
    args: [...tcp, '--bogus', './app'],
    workers: 0,
    differs: refusal(wrongOption, /^spawn-fcgi: .*--bogus.*\n$/),
  },
  {
    name: 'an option without its argument',
    args: ['./app', '-p'],
    workers: 0,
    differs: refusal(wrongOption, /^spawn-fcgi: option requires an argument -- 'p'\n$/),
  },
  {
    name: 'an option takes the next word, whatever it looks like',
    args: [...tcp, '-P', '-n', '--', './app'],
  },
  {
    name: 'a program that is called without a slash is in the working directory',
    args: [...tcp, '--', 'app', 'x'],
  },
];
