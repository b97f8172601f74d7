// Reads docs/init-scripts.md, so that the page and its tests cannot drift apart: its table of commands, its scripts by the
// second word of their fences, and the blocks without one, which start a pool and stop it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const page = readFileSync(join(import.meta.dirname, '../../../docs/init-scripts.md'), 'utf8');

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
  const found = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(page)?.[1];
  if (found === undefined) throw new Error(`the page has no block "${language}"`);
  return found;
}
