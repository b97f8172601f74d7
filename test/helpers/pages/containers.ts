// Reads docs/containers.md and what lies beside it, so that the page and its tests cannot drift apart: its blocks by what
// their fences say, commands as words.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../../../docs');
const page = readFileSync(join(docs, 'containers.md'), 'utf8');

export const manifestPath = join(docs, 'kubernetes/pool.yaml');

/** The texts of all blocks whose fence says that, as "dockerfile" or "sh docker". */
export function containerBlocks(fence: string): string[] {
  const blocks = [...page.matchAll(new RegExp(`^\`\`\`${fence}\\n([^]*?)^\`\`\`$`, 'gm'))];
  if (blocks.length === 0) throw new Error(`docs/containers.md has no block "${fence}"`);
  return blocks.map(([, text = '']) => text);
}

/** Their lines as words, a line that ends in a backslash with the next one. Nothing there is quoted. */
export function containerCommands(fence: string): string[][] {
  return containerBlocks(fence)
    .flatMap((text) => text.replaceAll('\\\n', ' ').split('\n'))
    .filter(Boolean)
    .map((line) => line.trim().split(/\s+/));
}
