// `spawn-fcgictl completion`: the scripts that the build has made, or the names that pools answer to. No supervisor is asked:
// what shells wait for must not wait for anybody.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { printText } from '../print/print-ctl.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { isDeadPool, type Pool } from '../target/pools.ts';
import { ctlStatus } from '../statuses.ts';
import type { CompletionRequest } from './completion-command.ts';

const files = {
  bash: ['bash/spawn-fcgi', 'bash/spawn-fcgictl'],
  zsh: ['zsh/_spawn-fcgi', 'zsh/_spawn-fcgictl'],
  fish: ['fish/spawn-fcgi.fish', 'fish/spawn-fcgictl.fish'],
} as const;

export async function printCompletion(
  { what }: CompletionRequest,
  openFinder: () => Promise<PoolFinder>,
): Promise<number> {
  printText(what === 'targets' ? listTargets((await openFinder()).all()) : readScripts(files[what]));
  return ctlStatus.ok;
}

function readScripts(names: readonly string[]): string {
  const directory = join(__dirname, 'completion');
  try {
    return names.map((name) => readFileSync(join(directory, name), 'utf8')).join('\n');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new SpawnFcgiError(`the completion is not where the build puts it, in ${directory}: ${code}`, {
      exitCode: ctlStatus.usage,
    });
  }
}

/** Address, PID file and PID of each, with what people call it; first the addresses of all. */
function listTargets(pools: readonly Pool[]): string {
  const lines = [
    ...pools.map((pool) => lineOf(pool.state.address, pool)),
    ...pools.map((pool) => lineOf(pool.state.pidFile, pool)),
    ...pools.map((pool) => lineOf(isDeadPool(pool) ? undefined : String(pool.state.pid), pool)),
  ];
  return [...new Set(lines)].join('');
}

/** What a line cannot hold cannot be typed either. */
function lineOf(target: string | undefined, { state: { name, address }, orphans }: Pool): string {
  if (target === undefined || target === '' || printable(target) !== target) return '';
  const where = target === address ? '' : ` on ${printable(address)}`;
  return `${target}\t${printable(name)}${where}${orphans ? ', dead' : ''}\n`;
}
