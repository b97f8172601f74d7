// Blocks that are no commands: what puts each kind where its program reads it, and has that program judge it. By the info
// string of the fence.

/** As one word of a shell's. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function write(path: string, text: string): string {
  return `mkdir -p ${path.slice(0, path.lastIndexOf('/'))}\nprintf '%s' ${quote(text)} >${path}`;
}

/**
 * In place of a block before it; whoever is asked on port 80 from then on is nginx with this. Both commands return before:
 * one that has just been started writes its PID file, and after a reload the old workers answer until they end.
 */
function nginx(text: string): string {
  const isWhole = /^\s*(?:server|upstream|map|log_format|http) /m.test(text) && !text.startsWith('location ');
  const parameters = /^\s*fastcgi_/.test(text) ? `location / { include fastcgi_params; ${text} }` : text;
  const http = isWhole ? text : `server { listen 80; root /srv/www; ${parameters} }`;
  const config = `user www-data; worker_processes 1; pid /run/page-nginx.pid; error_log /run/page-nginx.log;
    events {} http { access_log off; ${http} }\n`;
  return `${write('/etc/nginx/page.conf', config)}
    nginx -q -t -c /etc/nginx/page.conf
    if [ -s /run/page-nginx.pid ]; then
      old=$(cat /proc/$(cat /run/page-nginx.pid)/task/*/children)
      nginx -q -c /etc/nginx/page.conf -s reload
      for one in $old; do while [ -e /proc/$one ]; do sleep 0.02; done; done
    else
      nginx -c /etc/nginx/page.conf
      until [ -s /run/page-nginx.pid ]; do sleep 0.02; done
    fi`;
}

function lighttpd(text: string): string {
  const base = 'server.document-root = "/srv/www"\nserver.port = 8081\nserver.modules += ( "mod_fastcgi" )\n';
  return `${write('/etc/lighttpd/page.conf', base + text)}\nlighttpd -tt -f /etc/lighttpd/page.conf`;
}

/** With Debian's own configuration around it. */
function apache(text: string): string {
  return `a2enmod -q proxy proxy_fcgi proxy_http rewrite headers setenvif >/dev/null
    ${write('/etc/apache2/conf-enabled/page.conf', text)}
    APACHE_RUN_DIR=/run APACHE_LOG_DIR=/run apache2ctl -t 2>&1`;
}

function caddy(text: string): string {
  const isSite = /^(?:\S+\.\S+|:\d+|localhost\S*) \{$/m.test(text);
  const sites = isSite ? text : `:8082 {\n${text}}\n`;
  return `${write('/run/page/Caddyfile', sites)}\ncaddy validate --adapter caddyfile --config /run/page/Caddyfile 2>&1`;
}

/** Behind the defaults of Debian's file, as far as they matter. */
function haproxy(text: string): string {
  const defaults =
    'defaults\n  mode http\n  timeout connect 5s\n  timeout client 50s\n  timeout server 50s\n';
  const whole = /^defaults/m.test(text) ? text : defaults + text;
  return `${write('/run/page/haproxy.cfg', whole)}\nhaproxy -c -f /run/page/haproxy.cfg`;
}

/** Each line as cron runs it: with nothing in its environment, by /bin/sh, what it prints is mail. */
function cron(text: string): string {
  const commands = text
    .split('\n')
    .flatMap((line) => /^(?:@reboot|(?:\S+ ){5})\s*root (.*)$/.exec(line)?.[1] ?? []);
  const environment = 'HOME=/root LOGNAME=root SHELL=/bin/sh PATH=/usr/bin:/bin';
  return commands
    .map((line) => `( cd /root; env -i ${environment} /bin/sh -c ${quote(line.replaceAll('\\%', '%'))} )`)
    .join('\n');
}

function logrotate(text: string): string {
  return `${write('/etc/logrotate.d/page', text)}\nlogrotate --force --state /run/page-logrotate /etc/logrotate.d/page`;
}

/** A whole unit, or a drop-in for one that runs something. */
function unit(text: string): string {
  const whole = /^ExecStart=|^ListenStream=|^On\w+Sec=/m.test(text)
    ? text
    : `${text}\n[Service]\nExecStart=/bin/true\n`;
  const kind = /^\[(Service|Socket|Timer)\]/m.exec(text)?.[1]?.toLowerCase() ?? 'service';
  return `${write(`/run/page/units/page.${kind}`, whole)}\nsystemd-analyze verify /run/page/units/page.${kind}`;
}

/** Started by supervisord, and stopped again. */
function supervisord(text: string): string {
  const config = `[supervisord]\nlogfile=/run/page/supervisord.log\npidfile=/run/page/supervisord.pid
[unix_http_server]\nfile=/run/page/supervisor.sock\n[supervisorctl]\nserverurl=unix:///run/page/supervisor.sock
[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n${text}`;
  const ctl = 'supervisorctl -c /run/page/supervisord.conf';
  return `${write('/run/page/supervisord.conf', config)}\nsupervisord -c /run/page/supervisord.conf
    for try in $(seq 100); do
      if ! ${ctl} status | grep -qv RUNNING; then break; fi
      test $try -lt 100; sleep 0.1
    done
    ${ctl} shutdown\nwhile [ -e /run/page/supervisord.pid ]; do sleep 0.05; done`;
}

export const judges: Readonly<Record<string, (text: string) => string>> = {
  nginx,
  lighttpd,
  apache,
  caddy,
  haproxy,
  cron,
  logrotate,
  ini: unit,
  'ini supervisord': supervisord,
  json: (text) => `printf '%s' ${quote(text)} | python3 -m json.tool >/dev/null`,
};

/** Commands that a kind needs beside those that every page does. */
export const needs: Readonly<Record<string, string>> = {
  nginx: 'nginx',
  lighttpd: 'lighttpd',
  apache: 'apache2',
  caddy: 'caddy',
  haproxy: 'haproxy',
  logrotate: 'logrotate',
  ini: 'systemd-analyze',
  json: 'python3',
};
