// Two options that name one file: each would take the other's content for its own.
import { basename, dirname, join } from 'node:path';
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { descriptorOfLog } from '../../core/log-target.ts';
import { AT_FDCWD, statAt } from '../../sys/path/file-at.ts';
import { forSlot, namesSlot } from '../../core/slot-pattern.ts';
import type { Place } from './find-place.ts';

/** A step of a start: refuses them by directory (device and inode) and name, before anything is made. */
export function requireDistinctFiles({ config, bound }: { readonly config: Config } & Place): void {
  const flags = new Map<string, string>();
  const directories = new Map<string, string>();
  const add = (flag: string, path: string): void => {
    const directory = dirname(path);
    const place = directories.get(directory) ?? placeOf(directory);
    directories.set(directory, place);
    const name = join(place, basename(path));
    const other = flags.get(name);
    if (other !== undefined && !doAppend(other, flag)) throw refuse(other, flag, path);
    flags.set(name, flag);
  };
  if (bound.kind === 'unix') add('-s', bound.path);
  if (config.pidFile !== undefined) add('-P', config.pidFile);
  if (config.logFile !== undefined && descriptorOfLog(config.logFile) === undefined)
    add('--log', config.logFile);
  if (config.statusSocket?.kind === 'unix') add('--status-socket', config.statusSocket.path);
  const addEach = (flag: string, pattern: string): void => {
    const slots = namesSlot(pattern) ? config.range.max : 1;
    for (let slot = 0; slot < slots; slot++) add(flag, forSlot(pattern, slot));
  };
  if (config.workerPidFile !== undefined) addEach('--worker-pid-file', config.workerPidFile);
  if (config.output?.kind === 'file') addEach('--output', config.output.pattern);
}

/** Lines of both are whole in one file. */
function doAppend(one: string, other: string): boolean {
  return one === '--log' && other === '--output';
}

/** One that is not there leads nowhere: who opens the file will say so. */
function placeOf(directory: string): string {
  return statAt(AT_FDCWD, `${directory}/.`)?.identity ?? directory;
}

function refuse(one: string, other: string, path: string): SpawnFcgiError {
  const what = one === other ? `${one} names the same file twice` : `${one} and ${other} name the same file`;
  return new SpawnFcgiError(`${what}: '${path}'`, {
    hints: ['nothing was changed; give each a file of its own'],
  });
}
