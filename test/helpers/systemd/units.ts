// The units of docs/systemd/ in a systemd machine, and instances of them.
import { cpSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { waitFor } from '../machine/index.ts';
import type { SystemdMachine } from './machine.ts';

const units = join(import.meta.dirname, '../../../docs/systemd');
const place = '/etc/systemd/system';

/** Copies what docs/systemd/ has, as the page says. */
export async function installUnits(host: SystemdMachine): Promise<void> {
  for (const file of globSync(join(units, 'spawn-fcgi@.*')))
    cpSync(file, join(host.root, place, basename(file)));
  await host.ok('systemctl daemon-reload');
}

/** The text of one of its files. */
export function unitFile(name: string): string {
  return readFileSync(join(units, name), 'utf8');
}

/** Where the service alone listens. */
export function socketOf(name: string): string {
  return `/run/spawn-fcgi/${name}/socket`;
}

/** Where its .socket listens. */
export function givenSocketOf(name: string): string {
  return `/run/spawn-fcgi/${name}.socket`;
}

export interface Instance {
  /** Lines of /etc/spawn-fcgi/NAME.conf. */
  conf: readonly string[];
  /** A drop-in's text. */
  dropIn?: string;
}

/** Writes the files of instances; starts nothing. */
export async function addInstance(
  host: SystemdMachine,
  name: string,
  { conf, dropIn }: Instance,
): Promise<void> {
  host.write(`/etc/spawn-fcgi/${name}.conf`, `${conf.join('\n')}\n`);
  if (dropIn !== undefined) host.write(`${place}/spawn-fcgi@${name}.service.d/test.conf`, `${dropIn}\n`);
  await host.ok('systemctl daemon-reload');
}

/** What systemd says of a unit, by the name of the property. */
export async function property(host: SystemdMachine, unit: string, name: string): Promise<string> {
  return (await host.ok(`systemctl show --value -p ${name} ${unit}`)).trimEnd();
}

/** PIDs of all processes of a unit as the machine counts them, the supervisor first; also of one that is stopped. */
export async function unitProcesses(host: SystemdMachine, unit: string): Promise<number[]> {
  const main = Number(await property(host, unit, 'MainPID'));
  const listed = await host.ok(`find /sys/fs/cgroup -path '*/${unit}/*cgroup.procs' -exec cat {} +`);
  const pids = listed.split('\n').filter(Boolean).map(Number);
  return [...pids.filter((pid) => pid === main), ...pids.filter((pid) => pid !== main)];
}

/** Resolves once a unit has that state, such as "active" or "failed". */
export function waitForState(host: SystemdMachine, unit: string, state: string): Promise<true> {
  return waitFor(
    `${unit} to be ${state}`,
    async () => (await property(host, unit, 'ActiveState')) === state,
    { intervalMs: 30, timeoutMs: 30_000 },
  );
}

/**
 * Resolves once the unit has another main process that is ready: what was done to `first` may still be on its way, and the
 * unit active by that one.
 */
export async function waitForNext(host: SystemdMachine, unit: string, first: string): Promise<void> {
  const isThere = async (): Promise<boolean> => {
    const pid = await property(host, unit, 'MainPID');
    return pid !== first && pid !== '0' && (await property(host, unit, 'ActiveState')) === 'active';
  };
  await waitFor('the next supervisor', isThere, { intervalMs: 20, timeoutMs: 20_000 });
}

/** Resolves once `systemctl status` shows it: what a process printed last comes to the journal after its end. */
export function waitForStatus(host: SystemdMachine, unit: string, wanted: RegExp): Promise<true> {
  return waitFor(`systemctl status to show ${wanted}`, async () =>
    wanted.test((await host.run(`systemctl status ${unit}`)).stdout),
  );
}
