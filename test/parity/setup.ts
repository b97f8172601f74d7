/**
 * What a situation finds when it starts: small builders of files, directories,
 * sockets and chroots in the side's own directory.
 */
import { chmodSync, chownSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { isRoot, runCommand, waitFor } from '../helpers/machine/index.ts';
import { referencePath } from '../helpers/pool/index.ts';
import type { SidePlace } from './place.ts';

/** Prepares one thing; what it returns undoes it. */
export type Setup = (
  place: SidePlace,
) => void | (() => void | Promise<void>) | Promise<() => void | Promise<void>>;

export const directory =
  (path: string, mode = 0o755, owner?: number): Setup =>
  ({ dir }) => {
    mkdirSync(join(dir, path), { recursive: true });
    chmodSync(join(dir, path), mode);
    give(join(dir, path), owner);
  };

export const file =
  (path: string, content = '', mode = 0o644, owner?: number): Setup =>
  ({ dir }) => {
    writeFileSync(join(dir, path), content.replaceAll('<dir>', dir));
    chmodSync(join(dir, path), mode);
    give(join(dir, path), owner);
  };

export const symlink =
  (path: string, target: string): Setup =>
  ({ dir }) => {
    symlinkSync(target, join(dir, path));
  };

export const fifo =
  (path: string): Setup =>
  async ({ dir }) => {
    await runCommand('mkfifo', ['-m', '600', join(dir, path)]);
    return nothing;
  };

/** Rights of the directory itself. */
export const ownDirectory =
  (mode: number, owner?: number): Setup =>
  ({ dir }) => {
    chmodSync(dir, mode);
    give(dir, owner);
  };

/** A socket file that nobody listens on any more. */
export const staleSocket =
  (path: string, mode = 0o755, owner?: number): Setup =>
  async ({ dir }) => {
    const server = createServer();
    const bound = join(dir, 'b');
    await listening(server, bound);
    // The server removes the name that it knows.
    renameSync(bound, join(dir, path));
    await closed(server);
    chmodSync(join(dir, path), mode);
    give(join(dir, path), owner);
    return nothing;
  };

export const liveSocket =
  (path: string, mode = 0o755, owner?: number): Setup =>
  async ({ dir }) => {
    const server = createServer((client) => client.destroy());
    await listening(server, join(dir, path));
    chmodSync(join(dir, path), mode);
    give(join(dir, path), owner);
    return () => closed(server);
  };

/** A live socket whose queue is full: a connect that does not wait gets EAGAIN. */
export const fullSocket =
  (path: string): Setup =>
  async ({ dir }) => {
    const holder = spawn(referencePath, ['-n', '-b', '0', '-s', join(dir, path), '--', '/bin/sleep', '600'], {
      stdio: 'ignore',
    });
    const clients: Socket[] = [];
    await waitFor('the queue to be full', () => isFull(join(dir, path), clients));
    return async () => {
      for (const client of clients) client.destroy();
      await ended(holder);
    };
  };

export const livePort = (host = '127.0.0.1'): Setup => {
  return async ({ port }) => {
    const server = createServer((client) => client.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, host, resolve);
    });
    return () => closed(server);
  };
};

export interface JailOptions {
  /** Whether it has a /dev/null. */
  devNull?: boolean;
  /** Whether the worker also is its /bin/sh. */
  shell?: boolean;
  mode?: number;
}

/** A directory for -c with the worker as /app and, in the place of /bin/sh, the worker, too. */
export const jail =
  (path: string, { devNull = true, shell = true, mode = 0o755 }: JailOptions = {}): Setup =>
  async ({ dir, workerProgram }) => {
    const inside = (name: string): string => join(dir, path, name);
    for (const name of ['dev', 'bin', 'sub']) mkdirSync(inside(name), { recursive: true });
    chmodSync(inside(''), mode);
    for (const name of ['app', 'sub/app', ...(shell ? ['bin/sh'] : [])])
      linkSync(workerProgram, inside(name));
    if (devNull) await runCommand('mknod', ['-m', '666', inside('dev/null'), 'c', '1', '3']);
    return nothing;
  };

const nothing = (): void => undefined;

function give(path: string, owner: number | undefined): void {
  if (owner !== undefined && isRoot) chownSync(path, owner, owner);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, resolve);
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => {
      resolve();
    });
    child.kill('SIGKILL');
  });
}

function isFull(path: string, clients: Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const client = connect(path);
    client.once('connect', () => {
      clients.push(client);
      resolve(false);
    });
    client.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EAGAIN');
    });
  });
}
