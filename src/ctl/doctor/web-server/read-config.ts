// Configuration of web servers as text: files by name or pattern, read only where nobody but root (or the caller) could
// have put them, and remembered where they could not be read.
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guideOf } from '../../../sys/path/path-guide.ts';

const mostBytes = 4 * 1024 * 1024;
/** A file may include itself. */
const mostFiles = 2000;

export class ConfigReader {
  /** Paths that could not be read, with the reason. */
  readonly unread = new Map<string, string>();
  readonly #texts = new Map<string, string>();

  /** Undefined: it cannot be read, which is remembered. */
  read(path: string): string | undefined {
    const known = this.#texts.get(path);
    if (known !== undefined) return known;
    if (this.#texts.size >= mostFiles) return undefined;
    const reason = this.#refusal(path);
    const text = reason === undefined ? this.#open(path) : undefined;
    if (reason !== undefined) this.unread.set(path, reason);
    if (text !== undefined) this.#texts.set(path, text);
    return text;
  }

  /** Files that a path with `*`, `?` and `[…]` stands for, sorted; one without stands for itself. */
  expand(pattern: string): string[] {
    if (!/[*?[]/.test(pattern)) return [pattern];
    return pattern
      .split('/')
      .slice(1)
      .reduce((paths, part) => paths.flatMap((path) => this.#matching(path, part)), [''])
      .toSorted();
  }

  #matching(directory: string, part: string): string[] {
    if (!/[*?[]/.test(part)) return [`${directory}/${part}`];
    const body = part
      .replaceAll(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]');
    try {
      const matcher = new RegExp(`^${body}$`);
      const names = readdirSync(directory || '/').filter(
        (name) => matcher.test(name) && (part.startsWith('.') || !name.startsWith('.')),
      );
      return names.map((name) => join(directory || '/', name));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES') this.unread.set(directory, 'permission denied');
      return [];
    }
  }

  /** What another user chose must not tell root what to do. */
  #refusal(path: string): string | undefined {
    if (process.getuid?.() !== 0) return undefined;
    const guide = guideOf(path);
    return guide === undefined ? undefined : 'others than root may choose what is there';
  }

  #open(path: string): string | undefined {
    // There is none, says who names it.
    if (path === '/dev/null') return '';
    let descriptor: number;
    try {
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      this.unread.set(
        path,
        code === 'EACCES' ? 'permission denied' : code === 'ENOENT' ? 'it is not there' : code,
      );
      return undefined;
    }
    try {
      const facts = fstatSync(descriptor);
      if (facts.isFile() && facts.size <= mostBytes) return readFileSync(descriptor, 'utf8');
      this.unread.set(path, facts.isFile() ? 'it is too large' : 'it is no file');
      return undefined;
    } finally {
      closeSync(descriptor);
    }
  }
}
