// Writes dist/man and dist/completion, for `npm run build`: from the table of options, the commands of spawn-fcgictl, the
// tables of docs/ and the sources in src/manual and src/completion. The argument is the package's directory.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { completionModel } from './completion/model.ts';
import { bashOfCtl, bashOfSpawnFcgi } from './completion/render-bash.ts';
import { fishOfCtl, fishOfSpawnFcgi } from './completion/render-fish.ts';
import { zshOfCtl, zshOfSpawnFcgi } from './completion/render-zsh.ts';
import { createProgram } from './ctl/program.ts';
import { fillPage } from './manual/fill-page.ts';

const root = process.argv[2] ?? '.';
const program = createProgram();
const model = completionModel(program);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const template = (name: string): string => read(`src/completion/${name}`);

for (const page of ['spawn-fcgi.1', 'spawn-fcgictl.1', 'spawn-fcgi-events.5']) {
  const readPage = (name: string): string => read(`docs/${name}`);
  write(
    `man/${page}`,
    fillPage(read(`src/manual/${page}`), { version: manifest.version, program, readPage }),
  );
}
const prelude = template('prelude.bash');
write('completion/bash/spawn-fcgi', bashOfSpawnFcgi(template('spawn-fcgi.bash'), prelude, model));
write('completion/bash/spawn-fcgictl', bashOfCtl(template('spawn-fcgictl.bash'), prelude, model));
write('completion/zsh/_spawn-fcgi', zshOfSpawnFcgi(template('spawn-fcgi.zsh'), model));
write('completion/zsh/_spawn-fcgictl', zshOfCtl(template('spawn-fcgictl.zsh'), model));
write('completion/fish/spawn-fcgi.fish', fishOfSpawnFcgi(template('spawn-fcgi.fish'), model));
write('completion/fish/spawn-fcgictl.fish', fishOfCtl(template('spawn-fcgictl.fish'), model));

function write(path: string, text: string): void {
  const target = join(root, 'dist', path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}
