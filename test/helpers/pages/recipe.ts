// Reads the commands of docs/turbogears.md, so that the page and its test cannot drift apart: every fenced block whose
// info string begins with "sh", in order. A second word there says that a block is not simply the next thing to type.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * settings: assignments that the test replaces; machine: installs packages (.ci/run does that); fails: has to fail;
 * look, choice: not part of the way through the page.
 */
type Kind = 'run' | 'settings' | 'machine' | 'fails' | 'look' | 'choice';

export interface Block {
  /** The heading above it, without its number. */
  section: string;
  kind: Kind;
  commands: string;
}

export const recipeDir = join(import.meta.dirname, '../../../docs/turbogears');

/** All blocks of the page in order. */
export function readRecipe(): Block[] {
  const blocks: Block[] = [];
  let section = '';
  for (const match of page().matchAll(/^#+ (?:\d+\. )?(.+)$|^```sh(?: (\w+))?\n([^]*?)^```$/gm)) {
    const [, heading, kind = 'run', commands] = match;
    if (heading !== undefined) section = heading;
    if (commands !== undefined) blocks.push({ section, kind: kind as Kind, commands });
  }
  return blocks;
}

/** The blocks of one section; throws when the page has none of this kind there. */
export function blocksOf(section: string, kind: Kind = 'run'): Block[] {
  const blocks = readRecipe().filter((block) => block.section === section && block.kind === kind);
  if (blocks.length === 0) throw new Error(`the page has no ${kind} block in a section "${section}"`);
  return blocks;
}

/** The same text, once it is sure that the page has it too: what the reader is told is what the tests expect. */
export function pageSays(text: string): string {
  if (!page().includes(text)) throw new Error(`the page does not say "${text}"`);
  return text;
}

/** The page's settings with other values; each has to be one that the page has. */
export function settingsBlock(values: Record<string, string>): string {
  const [block] = blocksOf('Settings', 'settings');
  let commands = block?.commands ?? '';
  for (const [name, value] of Object.entries(values)) {
    const assignment = new RegExp(`^${name}=.*$`, 'm');
    if (!assignment.test(commands)) throw new Error(`the page has no setting ${name}`);
    commands = commands.replace(assignment, `${name}=${value}`);
  }
  return commands;
}

function page(): string {
  return readFileSync(`${recipeDir}.md`, 'utf8');
}
