// `spawn-fcgictl convert`: reads what starts pools elsewhere, prints what starts them here. Loaded only for this.
import { existsSync } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printError, printText } from '../print/print-ctl.ts';
import { refuseArguments } from '../refuse-arguments.ts';
import { ctlStatus } from '../statuses.ts';
import { checkPool } from './check-pool.ts';
import type { ConvertOptions } from './convert-command.ts';
import { readSource } from './input/read-source.ts';
import { surroundingsOf } from './input/surroundings.ts';
import { guessKind, kinds } from './kinds.ts';
import type { Kind, Source } from './kinds/kind.ts';
import { render } from './render/render.ts';
import type { Converted } from './wanted-pool.ts';

/** Returns the exit status. */
export function convert(request: ConvertOptions): number {
  const source = readSource(request.file);
  const kind = chooseKind(source, request.kind);
  const read = kind.read(source, surroundingsOf(request.file, request.program));
  const converted = choosePool({ ...read, pools: nameApart(read.pools).map(checkPool) }, request.pool);
  if (converted.pools.length === 0) throw noPool(source, kind, converted);
  printText(render(request.form, kind, converted, commandDirectory()));
  const count = lostCount(converted);
  if (count === 0) return ctlStatus.ok;
  printError(
    `${count === 1 ? '1 thing is' : `${count} things are`} not carried over: see NOT CARRIED OVER above ${request.form === 'json' ? '(isLost)' : 'each command'}`,
  );
  return ctlStatus.notServing;
}

/** Where npm or the .deb has put our spawn-fcgi; in /usr/bin that name may be 1.6's, as update-alternatives has it. */
function commandDirectory(): string {
  const places = ['/usr/local/bin', '/usr/lib/spawn-fcgi/bin', '/usr/bin'];
  return places.find((place) => existsSync(`${place}/spawn-fcgictl`)) ?? '/usr/local/bin';
}

function chooseKind(source: Source, name: string | undefined): Kind {
  const names = kinds.map((one) => one.name).join(', ');
  if (name !== undefined) {
    const named = kinds.find((one) => one.name === name);
    if (named) return named;
    throw refuseArguments(`unknown kind '${name}': ${names}`, 'spawn-fcgictl convert -h');
  }
  const guessed = guessKind(source);
  if (guessed) return guessed;
  throw new SpawnFcgiError(`cannot tell what '${source.path}' is; say it with --kind: ${names}`, {
    exitCode: ctlStatus.noSuchPool,
  });
}

/** Two pools of one name get numbers. */
function nameApart(pools: Converted['pools']): Converted['pools'] {
  const counts = new Map<string, number>();
  return pools.map((pool) => {
    const name = pool.name.replaceAll(/[^\w.:-]+/g, '-').replace(/^[-.]+/, '') || 'pool';
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return { ...pool, name: count === 1 ? name : `${name}-${count}` };
  });
}

function choosePool(converted: Converted, name: string | undefined): Converted {
  if (name === undefined) return converted;
  const pools = converted.pools.filter((pool) => pool.name === name);
  if (pools.length > 0) return { ...converted, pools };
  const names = converted.pools.map((pool) => pool.name).join(', ') || 'none';
  throw new SpawnFcgiError(`there is no pool '${name}' in it, but: ${names}`, {
    exitCode: ctlStatus.noSuchPool,
  });
}

function noPool(source: Source, { title }: Kind, { notes }: Converted): SpawnFcgiError {
  const reason = notes.map(({ says }) => `; ${says}`).join('');
  return new SpawnFcgiError(`'${source.path}' has no FastCGI pool in it (read as ${title})${reason}`, {
    exitCode: ctlStatus.noSuchPool,
  });
}

function lostCount({ pools, notes }: Converted): number {
  return [...notes, ...pools.flatMap((pool) => pool.notes)].filter(({ isLost }) => isLost).length;
}
