// What stands around the commands of a page, so that they mean something: files, pools that run already, and what happens
// on the machine in between.

export interface Stage {
  /** Executable, by their path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Typed before the first block, in /srv/app. */
  readonly first?: string;
  /** Typed before the block in which the key stands. */
  readonly before?: Readonly<Record<string, string>>;
  /** Typed behind the last block: what has to be true then. */
  readonly last?: string;
}

const php = '<?php if (isset($_GET["sleep"])) sleep((int) $_GET["sleep"]); echo "hello\\n"; ?>\n';
const pool = 'spawn-fcgi -s /run/app.sock -P /run/app.pid -u www-data -F 2 --settle 100ms -- /usr/bin/app';
const phpPool = 'spawn-fcgi -s /run/php.sock -u www-data -F 2 --settle 100ms -- /usr/bin/php-cgi';
const releases =
  'mkdir -p releases/41 releases/42; cp app releases/41; cp app releases/42; ln -s releases/41 current';

/** Its line 12 is the one that the page names. */
const site = `server {
  listen 8080;
  server_name www.example.org;
  root /srv/www;
  index index.html;

  location /static/ {
    expires 1h;
  }
  location / {
    include fastcgi_params;
    fastcgi_pass unix:/run/app.sock;
  }
}
`;

/** Waits, with what bash has, until a command succeeds. */
const until = (command: string): string => `until ${command}; do read -rt 0.05 <> <(:) || true; done`;

/** Of the table of README: a second generation, somebody at work, and a worker that was killed and replaced. */
const busyPool = `spawn-fcgi -a 127.0.0.1 -p 9000 -u www-data -P /run/app.pid -F 4 --settle 100ms -- /usr/bin/php-cgi
spawn-fcgictl reload :9000
kill -9 $(spawn-fcgictl status --json | jq '.[0].workers[3].pid')
${until('spawn-fcgictl status | grep -q "1 *- killed by SIGKILL"')}
spawn-fcgictl request :9000 '/index.php?sleep=20' --root /srv/www >/dev/null 2>&1 &
${until('spawn-fcgictl status | grep -q "3 idle 1 busy"')}`;

/** By their page. */
export const stages: Readonly<Record<string, Stage>> = {
  'README.md': {
    files: { '/srv/www/index.php': php },
    before: { 'spawn-fcgictl status': busyPool, 'releases/42': releases },
    last: 'curl -sSf http://127.0.0.1/index.php | grep -qx hello',
  },
  'docs/monitoring.md': {
    last: `curl -sSf 'http://localhost/ping' | grep -qx pong
      grep -q '^spawn_fcgi_workers{.*} 4$' /var/lib/prometheus/node-exporter/spawn-fcgi.prom`,
  },
  'docs/convert.md': {
    files: {
      '/etc/supervisor/conf.d/app.conf':
        '[fcgi-program:app]\ncommand=/usr/bin/app\nsocket=unix:///run/app.sock\n',
      '/etc/init.d/php-fcgi':
        '#!/bin/sh\n/usr/bin/spawn-fcgi -s /run/php.sock -u www-data -C 4 -- /usr/bin/php-cgi\n',
      '/etc/php/8.2/fpm/pool.d/www.conf':
        '[www]\nuser = www-data\nlisten = /run/www.sock\npm = static\npm.max_children = 2\n',
    },
  },
  'docs/output.md': {
    first: `${pool}; echo before >/var/log/app/app.log`,
    last: 'test -e /var/log/app/app.log.1 && test "$(stat -c %a:%U /var/log/app/app.log)" = 640:www-data',
  },
  'docs/reload.md': { first: `${releases}\n${pool}` },
  'docs/spawn-fcgictl.md': {
    files: {
      '/srv/www/index.php': php,
      '/srv/app/photo.jpg': 'JFIF',
      '/usr/local/bin/mail': '#!/bin/sh\ncat >>/run/mail\n',
    },
    first: `${pool}\n${phpPool}\nspawn-fcgi -p 9000 -u www-data -- /usr/bin/app`,
  },
  'docs/guards.md': {
    before: {
      'replaced: 12': `spawn-fcgictl stop /run/app.sock
      spawn-fcgi -s /run/app.sock -u www-data -F 2 --max-age 1s -- /usr/bin/app
      ${until('spawn-fcgictl status | grep -q replaced:')}`,
    },
  },
  'docs/migrating.md': {
    first: 'cp app program',
    before: {
      'spawn-fcgi --replace':
        '/usr/bin/spawn-fcgi.lighttpd -s /run/app.sock -u www-data -P /run/app.pid -F 4 -- /srv/app/program',
      '-n --supervise': 'spawn-fcgictl stop /run/app.sock',
    },
  },
  'docs/privileges.md': {
    first: releases,
    before: {
      '--umask 027': 'spawn-fcgictl stop /run/app.sock',
      'srv/jail': 'spawn-fcgictl stop /run/app.sock',
    },
  },
  'docs/security.md': { first: releases },
  'docs/sockets.md': { first: 'cp app program' },
  'docs/supervision.md': { before: { nofile: 'spawn-fcgictl stop /run/app.sock' } },
  'docs/scaling.md': {
    before: {
      'workers 4 of': `for i in 1 2 3 4 5; do
        spawn-fcgictl request /run/app.sock '/?sleep=20000' >/dev/null 2>&1 &
      done
      ${until('spawn-fcgictl status | grep -q "nobody idle"')}`,
    },
  },
  'docs/spare-workers.md': {
    before: {
      'spawn-fcgictl status': `spawn-fcgictl stop /run/app.sock
      spawn-fcgi -s /run/php.sock -u www-data -F 2 --spare 1 -- /usr/bin/php-cgi
      ${until('spawn-fcgictl status | grep -q " 1 ready"')}`,
    },
  },
  'docs/troubleshooting.md': {
    files: { '/etc/nginx/sites-enabled/app': site },
    before: {
      'as whom nginx runs': `spawn-fcgictl stop /run/app.sock
      spawn-fcgi -s /run/app.sock -u app -M 0640 -F 2 -- /usr/bin/app
      nginx -q`,
    },
    first: `${pool}\nspawn-fcgi -p 9000 -u www-data -- /usr/bin/app`,
  },
};
