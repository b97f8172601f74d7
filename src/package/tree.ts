// A directory that is going to be a package: what is put into it has the mode and the time of the package, whatever umask,
// user and clock the build has.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';

const directoryMode = 0o755;
const programMode = 0o755;
const dataMode = 0o644;

export class Tree {
  readonly root: string;
  readonly #seconds: number;

  /** `seconds` since 1970 is the time that everything in it gets. Whatever was there goes. */
  constructor(root: string, seconds: number) {
    this.root = root;
    this.#seconds = seconds;
    fs.rmSync(root, { recursive: true, force: true });
    fs.mkdirSync(root, { recursive: true });
  }

  write(path: string, content: string | Buffer): void {
    fs.writeFileSync(this.#place(path), content, { mode: dataMode });
  }

  writeProgram(path: string, content: string | Buffer): void {
    this.write(path, content);
    fs.chmodSync(join(this.root, path), programMode);
  }

  /** A file, or a directory with all that is in it; who may execute it here may do so there. */
  copy(from: string, path: string): void {
    const to = this.#place(path);
    fs.cpSync(from, to, { recursive: true });
    // A hard link's mode is that of all its names: these are copies.
    if (fs.statSync(to).isFile()) fs.chmodSync(to, modeLike(from));
  }

  link(target: string, path: string): void {
    fs.symlinkSync(target, this.#place(path));
  }

  makeDirectory(path: string): void {
    fs.mkdirSync(join(this.root, path), { recursive: true });
  }

  /** Every file that is no link, relative to the root, sorted. */
  files(): string[] {
    return this.#entries().filter((path) => fs.lstatSync(join(this.root, path)).isFile());
  }

  /** As dpkg-gencontrol counts: each file in whole KiB, one KiB for anything else. */
  installedKib(): number {
    return this.#entries().reduce((sum, path) => {
      const stat = fs.lstatSync(join(this.root, path));
      return sum + (stat.isFile() ? Math.ceil(stat.size / 1024) : 1);
    }, 0);
  }

  /** The last thing that is done to it: modes and times. */
  settle(): void {
    for (const path of ['', ...this.#entries()].reverse()) {
      const place = join(this.root, path);
      const stat = fs.lstatSync(place);
      if (!stat.isSymbolicLink()) fs.chmodSync(place, stat.isDirectory() ? directoryMode : modeLike(place));
      fs.lutimesSync(place, this.#seconds, this.#seconds);
    }
  }

  #entries(): string[] {
    return fs.readdirSync(this.root, { recursive: true, encoding: 'utf8' }).toSorted();
  }

  #place(path: string): string {
    const place = join(this.root, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    return place;
  }
}

function modeLike(path: string): number {
  return fs.statSync(path).mode & 0o100 ? programMode : dataMode;
}
