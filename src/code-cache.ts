// Build step: compiles the bundle ahead of time for this very Node, so that a start
// does not have to (bin/spawn-fcgi uses the result, and does without for any other Node).
// Run by Node with the flags of the front, which are part of V8's check; --jitless cannot load TypeScript, so a copy
// in JavaScript is run, in the package's directory.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const dist = new URL('dist/', pathToFileURL(`${process.cwd()}/`));
for (const name of readdirSync(dist)) if (name.endsWith('.cache')) rmSync(new URL(name, dist));
for (const name of ['spawn-fcgi.cjs', 'in-place.cjs']) compile(name);

function compile(name: string): void {
  const bundle = new URL(name, dist);
  const code = readFileSync(bundle, 'latin1');
  // V8 compares only the source's length: the hash in the first line names the right cache.
  const id = createHash('sha256').update(code).digest('hex').slice(0, 32);
  writeFileSync(bundle, `//${id}\n${code}`);

  // The same wrapper and file name as in bin/spawn-fcgi.
  const source = `(function (require, __filename, leaveToWholeBundle) {${readFileSync(bundle, 'latin1')}\n})`;
  setFlagsFromString('--no-lazy');
  const script = new Script(source, { filename: name });
  setFlagsFromString('--lazy');
  writeFileSync(new URL(`${id}-${process.version}-${process.arch}.cache`, dist), script.createCachedData());
}
