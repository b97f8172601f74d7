// A container whose program serves FastCGI on a Unix socket in a directory of this machine: a web server in another
// container would reach it so, from another network namespace.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { compileC, fixture } from '../build/index.ts';
import * as machine from '../machine/index.ts';
import { makePlace, type Place } from '../pool/index.ts';
import { fastcgiRequest } from '../web/index.ts';
import { startContainer, type Container, type ContainerOptions } from './container.ts';

export interface PoolContainer {
  place: Place;
  container: Container;
  /** One request; resolves with the answer, or with why there is none. */
  ask(query?: string): Promise<string>;
  hold(): Promise<HeldQuery>;
}

/** A request that a worker is in the middle of, until it is released. */
export interface HeldQuery {
  answer: Promise<string>;
  release: () => void;
}

/** The processes of the pool whose program is `app`: its supervisor, and its living workers. */
export function poolIn({ processes }: Container): {
  supervisor: machine.Stat | undefined;
  workers: machine.Stat[];
} {
  const family = processes().filter(({ comm, state }) => comm === 'app' && state !== 'Z');
  const supervisor = family.find(({ pid }) => family.some(({ parent }) => parent === pid));
  return { supervisor, workers: family.filter(({ parent }) => parent === supervisor?.pid) };
}

/** Waits for two workers, and kills one of them; resolves when it has gone and a successor is there. */
export async function replaceWorker(container: Container): Promise<void> {
  const areTwo = (): boolean => poolIn(container).workers.length === 2;
  await machine.waitFor('two workers', areTwo);
  const pid = poolIn(container).workers[0]?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await machine.waitFor('the end of the zombie', () => !machine.readStat(pid));
  await machine.waitFor('a successor', areTwo);
}

/** Where nginx listens, if `nginxLine` starts one. */
const webSocket = 'web.sock';

/** A command line of nginx, in the foreground, that passes everything on to the pool of the place. */
export function nginxLine({ dir, socket }: Pick<Place, 'dir' | 'socket'>): string {
  const temporary = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'];
  const config = [
    `user nobody nogroup; pid ${dir}/nginx.pid; error_log ${dir}/nginx.log; worker_processes 1; events {}`,
    `http { access_log off; ${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')}`,
    `server { listen unix:${dir}/${webSocket}; location / {`,
    'fastcgi_param REQUEST_METHOD $request_method; fastcgi_param QUERY_STRING $query_string;',
    `fastcgi_param SCRIPT_FILENAME /srv/app/index.php; fastcgi_pass unix:${socket}; } } }`,
  ];
  fs.writeFileSync(join(dir, 'nginx.conf'), `${config.join('\n')}\n`);
  return `nginx -c ${dir}/nginx.conf -g 'daemon off;'`;
}

/** A place whose program echoes requests, without a library and without any signal handling. */
export function makeEchoRoom(): Place {
  const place = makePlace();
  fs.copyFileSync(compileC(fixture('plain-echo.c'), { static: true }), place.app);
  fs.chmodSync(place.runDir, 0o777);
  return place;
}

/** Resolves once it answers. */
export async function startPoolContainer(
  place: Place,
  options: ContainerOptions,
  isBehindNginx = false,
): Promise<PoolContainer> {
  const volumes = { [place.dir]: place.dir, ...options.volumes };
  const container = await startContainer({ cwd: place.dir, ...options, volumes });
  const ask = (query = ''): Promise<string> =>
    (isBehindNginx ? askNginx(place.dir, query) : askPoolAt(place.socket, query)).catch((error: unknown) =>
      String(error),
    );
  await machine
    .waitFor('an answer', async () => (await ask()).startsWith('GET'), { intervalMs: 20 })
    .catch((cause: unknown) => {
      throw new Error(`no answer: ${container.stdout()}${container.stderr()}`, { cause });
    });
  return { place, container, ask, hold: () => holdQuery(ask, place.dir) };
}

async function askPoolAt(socketPath: string, query: string): Promise<string> {
  const { stdout } = await fastcgiRequest({ socketPath }, { REQUEST_METHOD: 'GET', QUERY_STRING: query });
  return stdout.split(/\r?\n\r?\n/)[1] ?? stdout;
}

/** Of which `nginxLine` was asked with this directory. */
export function askNginx(dir: string, query: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: join(dir, webSocket), path: `/?${query}`, agent: false }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.on('error', reject);
      answer.on('end', () => resolve(body));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** By a FIFO in `dir`, which is `path` to the program. */
export async function holdQuery(
  ask: (query: string) => Promise<string>,
  dir: string,
  path = dir,
): Promise<HeldQuery> {
  const fifo = join(dir, 'hold');
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  const answer = ask(`hold=${path}/hold`);
  const descriptor = await machine.waitFor('the program to open the FIFO', () => openForWriting(fifo));
  return { answer, release: () => fs.closeSync(descriptor) };
}

/** Opening without a reader fails with ENXIO. */
function openForWriting(fifo: string): number | undefined {
  try {
    return fs.openSync(fifo, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
