// The rows of the options that say what workers get, with and without a supervisor, and that 1.6 does not have, in the
// order of -h. They have long names only.
import type { OptionRow } from './option.ts';

export const workerOptions = [
  {
    key: 'listenFd',
    long: 'listen-fd',
    argument: '<name|n>',
    metavar: 'NAME|N',
    help: 'use a listening socket that the caller has opened: of that name (LISTEN_FDNAMES), or descriptor N',
    details:
      'use a listening socket that the caller has opened: the one of that name (systemd, `LISTEN_FDNAMES`), or descriptor N. Not needed where there is [exactly one](sockets.md#sockets-that-others-have-opened)',
    section: 'general',
    since: '2.0',
  },
  {
    key: 'env',
    long: 'env',
    argument: '<name=value>',
    repeats: true,
    help: "variable for the workers, in place of the caller's; may be repeated; %i in the value is the slot",
    details:
      "a variable for the workers, beside the caller's or in the place of one of that name; may be repeated, the last of a name counts. `%i` in the value is the slot (0 where there is none). Everybody can read it in the list of processes: a secret belongs into the caller's environment",
    section: 'general',
    since: '2.0',
  },
  {
    key: 'rlimit',
    long: 'rlimit',
    argument: '<name=soft[:hard]>',
    repeats: true,
    help: 'resource limit of the workers, such as nofile=1024:4096 or as=512M; may be repeated; unlimited; K, M, G',
    details:
      'a [limit of the workers](supervision.md#what-a-worker-is-held-to), soft and hard, or both at once; may be repeated. `as`, `core`, `data`, `fsize`, `memlock`, `msgqueue`, `rss`, `stack` in bytes (K, M, G), `cpu` in seconds, `locks`, `nice`, `nofile`, `nproc`, `rtprio`, `rttime`, `sigpending`; or `unlimited`',
    section: 'general',
    words: [
      'as=',
      'core=',
      'cpu=',
      'data=',
      'fsize=',
      'locks=',
      'memlock=',
      'msgqueue=',
      'nice=',
      'nofile=',
      'nproc=',
      'rss=',
      'rtprio=',
      'rttime=',
      'sigpending=',
      'stack=',
    ],
    since: '2.0',
  },
  {
    key: 'nice',
    long: 'nice',
    argument: '<n>',
    help: 'nice value of the workers, -20 to 19',
    details: 'nice value of the workers, -20 to 19; default: {default}',
    section: 'general',
    since: '2.0',
    default: "the caller's",
  },
  {
    key: 'umask',
    long: 'umask',
    argument: '<mask>',
    help: 'umask of the workers, octal',
    details: "umask of the workers, octal; the socket's mode goes by the caller's; default: {default}",
    section: 'general',
    since: '2.0',
    default: "the caller's",
  },
  {
    key: 'noNewPrivileges',
    long: 'no-new-privileges',
    help: 'workers gain no rights by what they execute: no sudo, no sendmail (prctl PR_SET_NO_NEW_PRIVS)',
    details:
      'workers gain no rights by what they execute (PR_SET_NO_NEW_PRIVS): set-user-ID bits and file capabilities mean nothing, so sudo does not work, nor do `mail()` of PHP and git hooks where they need them',
    section: 'general',
    since: '2.0',
  },
] as const satisfies readonly OptionRow[];
