// The root directory of a minimal Debian, and Debian's package spawn-fcgi beside it. Made once by debootstrap from where
// this machine has its packages, and kept in node_modules/.cache.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';

const cacheDir = join(import.meta.dirname, '../../../node_modules/.cache/debian');
/** Debian 12, whose Node is 18. */
const suite = 'bookworm';

export interface DebianRoot {
  readonly root: string;
  readonly referencePackage: string;
}

/** Takes half a minute of two processors the first time. */
export function makeDebianRoot(): DebianRoot {
  const place = join(cacheDir, suite);
  if (!fs.existsSync(place)) {
    const unfinished = `${place}.${process.pid}`;
    try {
      fs.mkdirSync(unfinished, { recursive: true });
      run('apt-get', ['-q', 'download', 'spawn-fcgi'], unfinished);
      // What is not on the disk yet needs no fsync: the whole is made again after a crash.
      run('debootstrap', ['--variant=minbase', suite, join(unfinished, 'root'), findMirror()], unfinished);
      fs.rmSync(join(unfinished, 'root/var/cache/apt/archives'), { recursive: true });
      fs.renameSync(unfinished, place);
    } catch (error) {
      // Another test file has been quicker.
      if (!fs.existsSync(place)) throw error;
    } finally {
      fs.rmSync(unfinished, { recursive: true, force: true });
    }
  }
  const name = fs.readdirSync(place).find((one) => one.endsWith('.deb')) ?? '';
  return { root: join(place, 'root'), referencePackage: join(place, name) };
}

function findMirror(): string {
  const choice = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'];
  const uris = execFileSync('apt-get', choice, { encoding: 'utf8' }).split('\n');
  const mirror = uris.find((uri) => /\/debian\/?$/.test(uri));
  if (mirror === undefined) throw new Error('apt has no mirror of Debian');
  return mirror;
}

function run(file: string, args: readonly string[], cwd: string): void {
  const env = { ...process.env, DPKG_FORCE: 'unsafe-io', LC_ALL: 'C' };
  execFileSync(file, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], timeout: 280_000 });
}
