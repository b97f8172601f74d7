// The texts of -h and -v. Defaults and spellings are 1.6's; what is new has long
// options only.
import manifest from '../../package.json' with { type: 'json' };

export const versionText = `spawn-fcgi v${manifest.version} (ipv6) - spawns and supervises FastCGI processes\n`;

export const usageText = `Usage: spawn-fcgi [options] [-- <fcgiapp> [fcgi app arguments]]

${versionText}
Options:
 -f, --command <cmd>      run by /bin/sh -c "exec <cmd>" (ignored if <fcgiapp>
                          is given)
 -d, --chdir <directory>  change directory before starting workers
 -a, --address <address>  bind to an IPv4 or IPv6 address or a host name
                          (default: 0.0.0.0)
 -p, --port <port>        bind to a TCP port
 -s, --socket <path>      bind to a Unix domain socket
 -M, --socket-mode <mode> mode of the Unix domain socket (octal; default: read
                          and write for user and group as far as umask allows)
 -C, --php-children <n>   (PHP only) set PHP_FCGI_CHILDREN
 -F, --workers <n>        number of workers (default: 1)
 -b, --backlog <n>        backlog of the socket (default: 1024)
 -P, --pid-file <path>    file for the supervisor's PID
 -n, --foreground         do not go to the background
 -v, --version            show version
 -h, -?, --help           show this help
(root only)
 -c, --chroot <directory> change root directory
 -S, --socket-before-chroot
                          create the socket before chroot (default: inside)
 -u, --user <user>        run workers as this user
 -g, --group <group>      run workers as this group (default: the user's)
 -U, --socket-user <user> owner of the Unix domain socket
 -G, --socket-group <group>
                          group of the Unix domain socket

Who supervises:
     --supervise          with -n: stay in the foreground as the supervisor
     --no-supervise       start the workers and leave nothing behind (as 1.6)
     --replace            take over the pool that runs on the address, with
                          these options and program; no connection is refused
     --name <name>        process name of the supervisor (default: the
                          program's base name)
Supervision (TIME is a number with ms, s, m or h; bare: seconds):
     --stop-timeout <time>       for the requests of a worker that is to end,
                                 then KILL (default: 9s)
     --stop-signal <how>         auto: TERM for programs known to finish their
                                 request on it, else as soon as idle (default);
                                 idle-kill; or the name of a signal
     --ready <how>               probe: the pool must answer a FastCGI record;
                                 notify: workers send READY=1 (sd_notify)
     --ready-timeout <time>      until a worker must be up (default: 60s)
     --settle <time>             in a reload: how long a new worker that cannot
                                 be looked into must live, and the watch after
                                 the last one (default: 5s)
     --min-uptime <time>         a worker that lived longer is restarted at
                                 once (default: 1s)
     --restart-delay <time>      first delay of the backoff (default: 100ms)
     --restart-max-delay <time>  longest delay of the backoff (default: 30s)
     --start-limit <n>/<time>    end the pool (status 75) after n crashes or
                                 failed starts within the time
     --worker-pid-file <pattern> one PID file a worker; %i is its slot
     --oom-score-adj <n>         -1000 to 1000 for workers; the out-of-memory
                                 killer takes the highest first (default: above
                                 the supervisor's)
     --state-dir <directory>     where lock and state files live
     --log <file>                supervisor events go to this file; -,
                                 /dev/stderr or /dev/fd/<n>: to that descriptor
                                 (default: syslog; with -n: stderr)
     --log-format <format>       human or json

Signals to the supervisor:
     TERM, INT, QUIT      finish all requests and end; a second one: end at once
     HUP                  replace the workers one by one, new before old
     USR1                 open the file of --log anew
     TTIN, TTOU           one worker more, one less
Exit status:
     0                    the pool is up; with -n: it was asked to stop, and has
     255                  refused before a worker ran
     75                   --start-limit or --ready-timeout was reached
     1                    the first worker died of a signal; unexpected error
     other                the first worker's, when all of them ended at once; 2,
                          8, 13, 126, 127: the program cannot be executed
Running pools are shown, reloaded, scaled and stopped by spawn-fcgictl (-h).
`;
