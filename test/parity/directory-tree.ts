/**
 * Describes every file of a directory in one line each: type, mode, owner, and
 * the content of small files, so that any stray or changed file shows.
 */
import { lstatSync, readFileSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';

const SMALL = 200;

export function describeTree(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  const entries = ['.', ...names].sort().map((name) => [name, describeFile(join(dir, name))] as const);
  return Object.fromEntries(entries.filter(([, text]) => text !== undefined)) as Record<string, string>;
}

function describeFile(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return undefined;
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
  return [typeOf(stat), mode, `${stat.uid}:${stat.gid}`, ...contentOf(path, stat)].join(' ');
}

function contentOf(path: string, stat: Stats): string[] {
  if (stat.isSymbolicLink()) return [readlinkSync(path)];
  if (!stat.isFile() || stat.size > SMALL) return [];
  // PIDs are the only numbers of three or more digits in the files of these tests.
  return [JSON.stringify(readFileSync(path, 'utf8').replace(/^\d{2,}$/gm, '<pid>'))];
}

function typeOf(stat: Stats): string {
  if (stat.isSocket()) return 'socket';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'link';
  if (stat.isFIFO()) return 'fifo';
  return stat.isFile() ? 'file' : 'device';
}
