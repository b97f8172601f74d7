// The man pages and completions that the build has made, in dist/.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { project } from './build-facts.ts';

type Shell = 'bash' | 'zsh' | 'fish';

const pages = ['spawn-fcgi.1', 'spawn-fcgictl.1', 'spawn-fcgi-events.5'];
const completions: Record<Shell, readonly string[]> = {
  bash: ['spawn-fcgi', 'spawn-fcgictl'],
  zsh: ['_spawn-fcgi', '_spawn-fcgictl'],
  fish: ['spawn-fcgi.fish', 'spawn-fcgictl.fish'],
};

export function manPages(): { from: string; section: string; name: string }[] {
  return pages.map((name) => ({ from: findBuilt(join('man', name)), section: name.slice(-1), name }));
}

export function completionFiles(): { from: string; shell: Shell; name: string }[] {
  return (['bash', 'zsh', 'fish'] as const).flatMap((shell) =>
    completions[shell].map((name) => ({ from: findBuilt(join('completion', shell, name)), shell, name })),
  );
}

function findBuilt(path: string): string {
  const place = join(project, 'dist', path);
  if (!existsSync(place)) throw new Error(`dist/${path} is missing: npm run build`);
  return place;
}
