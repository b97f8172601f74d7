// What systemd does about the end of a process of one of its units, as systemctl(1) tells. Asked only where workers that
// somebody else has started are to be ended.
import { existsSync } from 'node:fs';
import type { ProcFs } from '../proc/proc-fs.ts';
import { controlGroupsOf, unitName } from './control-group.ts';

const commands = ['/usr/bin/systemctl', '/bin/systemctl'];
const patienceMs = 5000;

/** As systemctl(1) shows its properties. */
export interface ServiceUnit {
  readonly mainPid: number;
  readonly restart: string;
  readonly killMode: string;
}

/** sd_booted(3). */
export function isSystemdBooted(): boolean {
  return existsSync('/run/systemd/system');
}

/** The service that a process belongs to; `isUsers`: of a user's own manager, which is asked by that user alone. */
export function serviceOf(proc: ProcFs, pid: number): { name: string; isUsers: boolean } | undefined {
  const unit = controlGroupsOf(proc, pid)?.unit;
  if (unit === undefined) return undefined;
  const name = unitName(unit);
  const isManager = name.startsWith('user@');
  return isManager ? undefined : { name, isUsers: unit.includes('/user@') };
}

/** Undefined: it does not answer. */
export function askServiceUnit(name: string): ServiceUnit | undefined {
  const command = commands.find((path) => existsSync(path));
  if (command === undefined) return undefined;
  // Loaded for this only.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const args = ['show', '--property=MainPID,Restart,KillMode', '--', name];
  const { status, stdout } = spawnSync(command, args, {
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: patienceMs,
    encoding: 'utf8',
  });
  return status === 0 ? parseUnit(stdout) : undefined;
}

function parseUnit(text: string): ServiceUnit | undefined {
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1];
  const [main, restart, killMode] = [value('MainPID'), value('Restart'), value('KillMode')];
  if (main === undefined || restart === undefined || killMode === undefined) return undefined;
  return { mainPid: Number(main), restart, killMode };
}
