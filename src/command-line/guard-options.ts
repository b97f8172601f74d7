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
] as const satisfies readonly OptionRow[];
