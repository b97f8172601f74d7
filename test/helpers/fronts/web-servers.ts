// Five real web servers, each with a site for every application: the lines of docs/applications.md, with the test's
// addresses and paths in them, in a frame of our own: ports above 1024, files in the test's directory.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import * as machine from '../machine/index.ts';
import { startForeground } from '../pool/index.ts';
import { linesFor, type ServerName, type ServedSite } from './page-lines.ts';

/** What surrounds the sites' lines, and how the server is started on it. */
interface Frame {
  command: string;
  /** Resolved with the directory that holds `config`, its logs and its temporary files. */
  args: (dir: string) => string[];
  config: string;
  frame: (dir: string, lines: string) => string;
  env?: (dir: string) => Record<string, string>;
}

const frames: Record<ServerName, Frame> = {
  nginx: {
    command: 'nginx',
    config: 'nginx.conf',
    args: (dir) => ['-p', dir, '-c', 'nginx.conf', '-e', 'error.log'],
    frame: (_dir, lines) => `daemon off;
${machine.isRoot ? 'user nobody nogroup;' : ''}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path body;
  fastcgi_temp_path fastcgi;
  proxy_temp_path proxy;
  scgi_temp_path scgi;
  uwsgi_temp_path uwsgi;
${lines}
}
`,
  },
  lighttpd: {
    command: 'lighttpd',
    config: 'lighttpd.conf',
    args: (dir) => ['-D', '-f', join(dir, 'lighttpd.conf')],
    frame: (dir, lines) => `server.modules = ( "mod_access", "mod_rewrite", "mod_fastcgi" )
server.document-root = "${dir}"
server.upload-dirs = ( "${dir}/upload" )
server.errorlog = "${dir}/error.log"
server.bind = "${dir}/main.sock"
${machine.isRoot ? 'server.username = "nobody"\nserver.groupname = "nogroup"' : ''}
${lines}
`,
  },
  Apache: {
    command: 'apache2',
    config: 'apache.conf',
    args: (dir) => ['-D', 'FOREGROUND', '-f', join(dir, 'apache.conf')],
    frame: (dir, lines) => `ServerRoot ${dir}
ServerName localhost
PidFile apache.pid
ErrorLog error.log
DefaultRuntimeDir ${dir}
Mutex file:${dir}
${machine.isRoot ? 'User nobody\nGroup nogroup' : ''}
${['mpm_event', 'authz_core', 'authz_host', 'proxy', 'proxy_fcgi'].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
StartServers 1
${lines}
`,
  },
  Caddy: {
    command: 'caddy',
    config: 'Caddyfile',
    args: (dir) => ['run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile'],
    env: (dir) => ({ HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir }),
    frame: (_dir, lines) => `{
  admin off
  auto_https off
}
${lines}
`,
  },
  HAProxy: {
    command: 'haproxy',
    config: 'haproxy.cfg',
    args: (dir) => ['-db', '-f', join(dir, 'haproxy.cfg')],
    frame: (_dir, lines) => `global
    maxconn 500
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
${lines}
`,
  },
};

/** Why a server is not there, if so. */
export function missingServer(name: ServerName): string | undefined {
  return machine.missing({ commands: [frames[name].command] });
}

/** Starts one server with all sites; resolves when every port is open. */
export function startServer(name: ServerName, testDir: string, sites: readonly ServedSite[]): Promise<void> {
  const lines = sites.map((site) => linesFor(name, site)).join('\n');
  const ports = sites.map((site) => site.ports[name] ?? 0);
  return startWithLines(name, testDir, { lines, ports });
}

/** Starts one server with these lines in its configuration. It ends with the test file at the latest. */
export async function startWithLines(
  name: ServerName,
  testDir: string,
  { lines, ports }: { lines: string; ports: readonly number[] },
): Promise<void> {
  const { command, config, args, frame, env } = frames[name];
  const dir = join(testDir, command);
  mkdirSync(join(dir, 'upload'), { recursive: true });
  for (const path of machine.isRoot ? [dir, join(dir, 'upload')] : []) machine.giveAway(path, machine.NOBODY);
  if (existsSync('/etc/nginx/fastcgi.conf'))
    copyFileSync('/etc/nginx/fastcgi.conf', join(dir, 'fastcgi.conf'));
  writeFileSync(join(dir, config), frame(dir, lines));
  const server = startForeground(args(dir), {
    command: machine.findCommand(command) ?? command,
    cwd: dir,
    ...(env === undefined ? {} : { env: { ...process.env, ...env(dir) } }),
  });
  const areOpen = async (): Promise<boolean> => (await Promise.all(ports.map(isOpen))).every(Boolean);
  await machine.waitFor(`${name} to listen`, areOpen, { intervalMs: 50 }).catch((cause: unknown) => {
    throw new Error(`${name} did not start: ${server.stderr()}`, { cause });
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, '127.0.0.1');
    connection.once('connect', () => resolve(true)).once('error', () => resolve(false));
    connection.once('connect', () => connection.destroy());
  });
}
