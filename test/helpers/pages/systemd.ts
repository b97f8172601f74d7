// Reads docs/systemd.md, so that the page and its tests cannot drift apart: its commands by section, and its figures.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

function systemdPage(): string {
  return readFileSync(join(import.meta.dirname, '../../../docs/systemd.md'), 'utf8');
}

/** What the page says that `systemd-analyze security` finds, as "5.4"; throws when it says nothing of that. */
export function exposureOf(how: string): string {
  const found = new RegExp(`^\\| ${how} \\|[^|]*\\| ([\\d.]+) [A-Z]+ \\|$`, 'm').exec(systemdPage())?.[1];
  if (found === undefined) throw new Error(`the page has no exposure "${how}"`);
  return found;
}

export interface PageSection {
  heading: string;
  /** Its blocks to be typed in, in order; those whose fence says `sh user` by somebody who is not root. */
  blocks: { commands: string; byUser: boolean }[];
}

/** Sections that have something to type in. */
export function systemdSections(): PageSection[] {
  const sections = systemdPage().split(/^## /m).slice(1);
  return sections
    .map((text) => ({
      heading: text.slice(0, text.indexOf('\n')),
      blocks: [...text.matchAll(/^```sh( user)?\n([^]*?)^```$/gm)].map(([, user, commands = '']) => ({
        commands,
        byUser: user !== undefined,
      })),
    }))
    .filter(({ blocks }) => blocks.length > 0);
}

/** Names of settings (`Restart`, `KillMode` …) that the page explains. */
export function explainedSettings(): string[] {
  return [...systemdPage().matchAll(/`(\w+)=[^`]*`/g)].map(([, name = '']) => name);
}
