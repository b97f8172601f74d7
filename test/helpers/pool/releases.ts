// Deploy by symbolic link, as Capistrano does it: one directory for each release of a program, and the link "current"
// to one of them, through which the program is started.
import * as fs from 'node:fs';
import { basename, join } from 'node:path';

export interface Releases {
  /** The program as a command line names it: through the link. */
  program: string;
  /** The directory of the current release, through the link too. */
  current: string;
  /** Makes a release of the very program, or of a script that stands in for it, in which `PROGRAM` is the program. */
  make(name: string, script?: string): void;
  /** Where the program of a release is, links resolved. */
  programOf(name: string): string;
  /** Lets "current" name that release, from one moment to the next. */
  switchTo(name: string): void;
}

/** With the release "1", which is current. */
export function makeReleases(dir: string, program: string): Releases {
  const current = join(dir, 'current');
  const dirOf = (name: string): string => join(dir, 'releases', name);
  // A copy on the same file system, of which each release has a link.
  const original = join(dir, 'releases', 'program');
  fs.mkdirSync(join(dir, 'releases'));
  fs.copyFileSync(program, original);
  fs.chmodSync(original, 0o755);
  const programOf = (name: string): string => join(dirOf(name), basename(program));
  const releases: Releases = {
    program: join(current, basename(program)),
    current,
    programOf,
    make(name, script) {
      fs.mkdirSync(dirOf(name));
      fs.writeFileSync(join(dirOf(name), 'RELEASE'), `${name}\n`);
      if (script === undefined) return fs.linkSync(original, programOf(name));
      fs.linkSync(original, join(dirOf(name), 'original'));
      return fs.writeFileSync(programOf(name), script, { mode: 0o755 });
    },
    switchTo(name) {
      fs.symlinkSync(join('releases', name), `${current}.new`);
      fs.renameSync(`${current}.new`, current);
    },
  };
  releases.make('1');
  releases.switchTo('1');
  return releases;
}
