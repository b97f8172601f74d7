// Starts a real nginx in front of one FastCGI address: its own configuration, port and temporary files, all in the
// test's directory. It never tries a request twice, so a worker's death shows as 502.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startForeground } from '../helpers/command-under-test.ts';
import { freePort } from '../helpers/free-port.ts';
import { findCommand, isRoot } from '../helpers/requirements.ts';
import { waitFor } from '../helpers/wait-for.ts';

export interface Backend {
  /** As nginx writes it: "127.0.0.1:9000" or "unix:/run/app.sock". */
  address: string;
  /** SCRIPT_FILENAME of every request. */
  script: string;
}

/** Resolves with the port on 127.0.0.1 once nginx listens there; it is stopped when the running test ends. */
export async function startNginx(testDir: string, backend: Backend): Promise<number> {
  const dir = join(testDir, 'nginx');
  const port = await freePort();
  mkdirSync(dir);
  writeFileSync(join(dir, 'nginx.conf'), configuration(port, backend));
  const nginx = startForeground(['-p', dir, '-c', 'nginx.conf', '-e', 'error.log'], {
    command: findCommand('nginx') ?? 'nginx',
  });
  // nginx writes its PID file after it has bound its port.
  await waitFor('nginx to listen', () => readText(join(dir, 'nginx.pid')).trim() === String(nginx.pid)).catch(
    (cause: unknown) => {
      throw new Error(`nginx did not start: ${nginx.stderr()}`, { cause });
    },
  );
  return port;
}

function configuration(port: number, { address, script }: Backend): string {
  return `
daemon off;
${isRoot ? 'user nobody nogroup;' : ''}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body;
  fastcgi_temp_path fastcgi;
  proxy_temp_path proxy;
  scgi_temp_path scgi;
  uwsgi_temp_path uwsgi;
  server {
    listen 127.0.0.1:${port};
    fastcgi_next_upstream off;
    fastcgi_param GATEWAY_INTERFACE CGI/1.1;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param SCRIPT_FILENAME ${script};
    fastcgi_param SCRIPT_NAME /;
    location / { fastcgi_pass ${address}; }
  }
}
`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
