// The configuration of a real nginx in front of FastCGI addresses, all of it in one directory of its own. It never
// tries a request twice and takes its time to connect, so that it neither hides nor causes a loss.
import { isRoot } from '../machine/requirements.ts';
import type { WebAddress } from './http-client.ts';

export interface Backend {
  /** As nginx writes it: "127.0.0.1:9000" or "unix:/run/app.sock". */
  address: string;
  /** SCRIPT_FILENAME of every request. */
  script: string;
  /** Keeps that many connections to the program open (fastcgi_keep_conn), each for a few requests. */
  keptConnections?: number;
  /** They are kept for as long as nginx does by itself, and one that has closed is not what a request fails by. */
  keepsAsShipped?: boolean;
}

/** All that an nginx needs to run in the foreground with its files in one directory, whatever it serves. */
export function nginxFrame(http: string): string {
  return `daemon off;
${isRoot ? 'user nobody nogroup;' : ''}
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
${http}
}
`;
}

/** One server for each port on 127.0.0.1, or Unix socket. */
export function nginxConfig(backends: ReadonlyMap<WebAddress, Backend>): string {
  return nginxFrame(`  # A client's connection is never closed under its next request.
  keepalive_requests 10000000;
  keepalive_timeout 1h;
  fastcgi_next_upstream off;
  fastcgi_connect_timeout 60s;
  fastcgi_param GATEWAY_INTERFACE CGI/1.1;
  fastcgi_param SERVER_PROTOCOL $server_protocol;
  fastcgi_param SERVER_NAME $server_name;
  fastcgi_param SERVER_PORT $server_port;
  fastcgi_param REQUEST_METHOD $request_method;
  fastcgi_param REQUEST_URI $request_uri;
  fastcgi_param QUERY_STRING $query_string;
  fastcgi_param CONTENT_TYPE $content_type;
  fastcgi_param CONTENT_LENGTH $content_length;
  fastcgi_param SCRIPT_NAME /;
  fastcgi_param SCRIPT_FILENAME $script;
  ${[...backends].map(([address, backend], number) => server(address, backend, `pool-${number}`)).join('')}`);
}

function server(listen: WebAddress, backend: Backend, name: string): string {
  const { address, script, keptConnections, keepsAsShipped = false } = backend;
  // A single server of an upstream block is never taken for down, whatever it does.
  return `
  upstream ${name} {
    server ${address};
    ${keptConnections === undefined ? '' : keep(keptConnections, keepsAsShipped)}
  }
  server {
    listen ${typeof listen === 'string' ? `unix:${listen}` : `127.0.0.1:${listen}`};
    server_name localhost;
    set $script ${script};
    location / { fastcgi_pass ${name}; }
    fastcgi_keep_conn ${keptConnections === undefined ? 'off' : 'on'};
    ${keepsAsShipped ? 'fastcgi_next_upstream error timeout;' : ''}
  }`;
}

/** nginx ends them, unless as shipped: the program's own end could cross a request. */
function keep(connections: number, isAsShipped: boolean): string {
  if (isAsShipped) return `keepalive ${connections};`;
  return `keepalive ${connections}; keepalive_requests 20; keepalive_timeout 200ms;`;
}
