// The rows of the options that watch over workers while the pool serves, in the order of -h: each is off unless it is
// given.
import type { OptionRow } from './option.ts';

export const guardOptions = [
  {
    key: 'idleTimeout',
    long: 'idle-timeout',
    argument: '<time>',
    help: 'with --workers <min>-<max>: one worker less when one was idle for so long (default: {default})',
    details:
      'with `--workers MIN-MAX`: one worker less each time that somebody was idle for so long ([scaling](scaling.md)); default {default}',
    section: 'guards',
    needsSupervisor: true,
    since: '2.0',
    default: '60s',
  },
  {
    key: 'maxMemory',
    long: 'max-memory',
    argument: '<size>',
    help: 'a worker whose processes have more than this in RAM is replaced, new before old, never within a request: 256M, 1G (default: {default})',
    details:
      'a worker whose session has more than this in RAM (`256M`, `1G`, bytes) is replaced; new before old, one at a time, never within a request ([guards](guards.md#memory)); default: {default}',
    section: 'guards',
    needsSupervisor: true,
    since: '2.0',
    default: 'no limit',
  },
  {
    key: 'maxAge',
    long: 'max-age',
    argument: '<time>',
    help: 'a worker this old is replaced by a new one, a tenth earlier at most; new before old, never within a request (default: {default})',
    details:
      'a worker this old is replaced, up to a tenth earlier by chance so that they do not all come at once; new before old, one at a time, never within a request ([guards](guards.md#age)); default: {default}',
    section: 'guards',
    needsSupervisor: true,
    since: '2.0',
    default: 'never',
  },
  {
    key: 'requestTimeout',
    long: 'request-timeout',
    argument: '<time>',
    help: 'a worker that takes longer for a request is killed, and replaced at once; at half of it the log says where it is (default: {default})',
    details:
      'a worker that takes longer for one request is [stuck](stuck-requests.md): at half of it the log says where in the kernel it is, at the end it is killed and replaced at once, where only one of its processes is stuck that one alone; default: {default}',
    section: 'guards',
    needsSupervisor: true,
    since: '2.0',
    default: 'never',
  },
  {
    key: 'stuckSignal',
    long: 'stuck-signal',
    argument: '<signal>',
    help: 'with --request-timeout: what a stuck worker gets a second before KILL, for a thread dump (USR1) or a core (ABRT)',
    details:
      'with `--request-timeout`: what a stuck worker gets 1 s before KILL, for a thread dump (such as `USR1`) or a core (`ABRT`); only processes that catch it, or write a core by it, get it',
    section: 'guards',
    needsSupervisor: true,
    words: ['USR1', 'USR2', 'QUIT', 'ABRT', 'TERM', 'INT', 'HUP'],
    since: '2.0',
  },
] as const satisfies readonly OptionRow[];
