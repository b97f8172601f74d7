// Reads docs/init-scripts.md and docs/init-systems.md, so that the pages and their tests cannot drift apart: the table of
// commands, the scripts of both by their fences, the blocks without a name, which start a pool and stop it; and docs/init/.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../../../docs');
const page = readFileSync(join(docs, 'init-scripts.md'), 'utf8');
const scripts = page + readFileSync(join(docs, 'init-systems.md'), 'utf8');

export interface StopCommand {
  command: string;
  reaches: string;
}

export function stopCommands(): StopCommand[] {
  const rows = page.split('\n').filter((line) => /^\|.*`.*\|$/.test(line));
  return rows.map((row) => {
    const [, , command = '', reaches = ''] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return { command: command.replaceAll(/^`|`$/g, '').replaceAll('\\|', '|'), reaches };
  });
}

/** How the page says that the pool of its table is started. */
export function initScriptsStart(): string {
  const command = /^The pool is `(.*)`\.$/m.exec(page)?.[1];
  if (command === undefined) throw new Error('the page does not say how the pool is started');
  return command;
}

export function plainBlocks(): string[] {
  return [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, commands = '']) => commands);
}

/** The script whose fence says `language`, as in "sh debian" or "monit". */
export function pageScript(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(scripts)?.[1];
  if (found === undefined) throw new Error(`the pages have no block "${language}"`);
  return found;
}

/** A file of docs/init/ that users copy, as `openrc/spawn-fcgi.initd`. */
export function initFile(name: string): string {
  return readFileSync(join(docs, 'init', name), 'utf8');
}
