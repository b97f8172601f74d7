// The web servers' lines of docs/applications.md, with the addresses and paths of a test in them.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export const serverNames = ['nginx', 'lighttpd', 'Apache', 'Caddy', 'HAProxy'] as const;
export type ServerName = (typeof serverNames)[number];

/** Scripts below a document root; one program that answers for everything; a CGI script that does, by fcgiwrap. */
export type Shape = 'scripts' | 'program' | 'cgi';

/** What a server has to know of an application. */
export interface ServedSite {
  /** Letters and hyphens. */
  name: string;
  shape: Shape;
  /** The pool's. */
  socket: string;
  /** The document root, or SCRIPT_FILENAME of every request. */
  path: string;
  /** On 127.0.0.1, one for each server that is there. */
  ports: Partial<Record<ServerName, number>>;
}

export const applicationsPage = join(import.meta.dirname, '../../../docs/applications.md');

/** The first fence of a server is for scripts, the second for a program, a third for a CGI script if that differs. */
export function linesFor(server: ServerName, { name, shape, socket, path, ports }: ServedSite): string {
  const fences = [...readFileSync(applicationsPage, 'utf8').matchAll(/^```(\w+)\n([^]*?)^```$/gm)];
  const [scripts, program, cgi = program] = fences
    .filter(([, language]) => language === server.toLowerCase())
    .map(([, , lines = '']) => lines);
  const lines = { scripts, program, cgi }[shape];
  if (lines === undefined) throw new Error(`the page has no lines of ${server} for ${shape}`);
  const [directory, file] = shape === 'scripts' ? [path, ''] : [dirname(path), basename(path)];
  return lines
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${ports[server] ?? 0}`)
    .replaceAll('/run/app.sock', socket)
    .replaceAll('/srv/www', directory)
    .replaceAll('/srv/app', directory)
    .replaceAll('/program', `/${file}`)
    .replaceAll('example', name);
}
