// Build step: compiles the bundles ahead of time for this very Node, so that a start does not have to (bin/spawn-fcgi uses
// the result, and does without for any other Node). src/build.sh runs it, as JavaScript: --jitless cannot load TypeScript;
// with the flags of the front, which are part of V8's check; and in the package's directory. What each word does is below.
import { createHash } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const dist = join(process.cwd(), 'dist');
const supervisor = 'spawn-fcgi.cjs';
const slowness = 30;
const [word, ...rest] = process.argv.slice(2);
if (word === 'compile') compileAll();
else if (word === 'rehearse') rehearse(rest);
else if (word === 'settle') settle();
else if (word === 'accept') accept(rest[0] ?? '');
else throw new Error(`${word} is no word for this`);

/** Makes a function of each bundle, with its name in the first line, and compiles all of it. */
function compileAll(): void {
  for (const name of readdirSync(dist)) if (name.endsWith('.cache')) rmSync(join(dist, name));
  for (const name of [supervisor, 'in-place.cjs']) {
    const bundle = join(dist, name);
    const code = readFileSync(bundle, 'latin1');
    // V8 compares only the source's length: the hash in the first line names the right cache.
    const id = createHash('sha256').update(code).digest('hex').slice(0, 32);
    writeFileSync(bundle, `//${id}\n(function (require, __filename, leaveToWholeBundle) {${code}\n})`);
    setFlagsFromString('--no-lazy');
    const script = scriptOf(name);
    setFlagsFromString('--lazy');
    writeCache(name, script);
  }
}

/** With the same file name as in bin/spawn-fcgi. */
function scriptOf(name: string): Script {
  return new Script(readFileSync(join(dist, name), 'latin1'), { filename: name });
}

function cacheOf(name: string): string {
  const id = readFileSync(join(dist, name), 'latin1').slice(2, 34);
  return join(dist, `${id}-${process.version}-${process.arch}.cache`);
}

/** Whole or not at all: the one of before stays if this fails. */
function writeCache(name: string, script: Script): void {
  const file = cacheOf(name);
  writeFileSync(`${file}.new`, script.createCachedData());
  renameSync(`${file}.new`, file);
}

/**
 * Is the command with these arguments, and at its end keeps what it compiled on the way: a third of the whole bundle,
 * read in half the time. What it did not run is compiled when it is needed.
 */
function rehearse(args: readonly string[]): void {
  const command = join(process.cwd(), 'bin/spawn-fcgi');
  process.argv.splice(1, Infinity, command, ...args);
  // A worker that is Node takes longer than it may: the clock goes slower, so that it is seen waiting.
  const time = process.hrtime.bind(process);
  const bigint = process.hrtime.bigint.bind(process.hrtime);
  const slow = (): [number, number] => {
    const [seconds, nanoseconds] = time();
    return [0, (seconds * 1e9 + nanoseconds) / slowness];
  };
  process.hrtime = Object.assign(slow, { bigint });
  // V8 drops the code of functions that have not run for a while.
  setFlagsFromString('--no-flush-bytecode');
  const script = scriptOf(supervisor);
  process.on('exit', (status) => {
    setFlagsFromString('--flush-bytecode');
    if (status === 0) writeCache(supervisor, script);
  });
  const start = script.runInThisContext() as (...given: readonly unknown[]) => void;
  start(createRequire(command), join(dist, supervisor), () => undefined);
}

/**
 * Reads what the rehearsal has kept and writes it again: functions that V8 compiled on the way have numbers by what else
 * the process had run by then, and get others here, where nothing runs. So two builds whose rehearsals compiled the same
 * functions have the same bytes.
 */
function settle(): void {
  const cachedData = readFileSync(cacheOf(supervisor));
  writeCache(
    supervisor,
    new Script(readFileSync(join(dist, supervisor), 'latin1'), { filename: supervisor, cachedData }),
  );
}

/** A worker: says its PID, and waits for a connection as C programs do. */
function accept(file: string): void {
  const koffi = createRequire(join(process.cwd(), 'bin/spawn-fcgi'))('koffi') as typeof import('koffi');
  const wait = koffi.load(null).func('int accept(int, void *, void *)');
  appendFileSync(file, `${process.pid}\n`);
  wait(0, null, null);
}
