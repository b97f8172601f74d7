// From a target to what doctor looks at: the pool that it names; an address that somebody else has, or nobody; a PID file
// that leads nowhere. Without one all pools, and every other address that a web server passes to.
import { basename, resolve } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, parseAddress, type BoundAddress } from '../../core/pool-id.ts';
import { readPath } from '../../sys/file/pool-directory.ts';
import { isProcess } from '../../sys/proc/process-look.ts';
import { ctlStatus } from '../statuses.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { addressesOf, knownLocalhost } from '../target/ip-addresses.ts';
import { maxPort, parseTarget } from '../target/parse-target.ts';
import { describeEntry, isDeadPool, type Pool } from '../target/pools.ts';
import type { DoctorOptions } from './doctor-command.ts';
import { askStatus, isElsewhere, Patient, type PatientFacts } from './patient.ts';
import { findWebServers, type WebServer } from './web-server/find-web-servers.ts';
import { leadsTo, narrow } from './web-server/pass.ts';

type Common = Pick<PatientFacts, 'servers' | 'pools' | 'uri' | 'timeoutMs'>;

export async function findPatients(
  { target, config, uri }: DoctorOptions,
  finder: PoolFinder,
  timeoutMs: number,
): Promise<Patient[]> {
  const common = { servers: await findServers(config), pools: finder.all(), uri, timeoutMs };
  if (target !== undefined) return [await findPatient(target, finder, common)];
  const own = await Promise.all(finder.all().map((pool) => patientOf(pool, common)));
  return [...own, ...othersPassedTo(own, common)];
}

async function findServers(config: string | undefined): Promise<WebServer[]> {
  const servers = findWebServers(config);
  const hasNames = servers.some(({ passes }) => passes.some(({ addresses }) => addresses.length > 1));
  const known = hasNames ? await knownLocalhost() : [];
  return servers.map((server) => ({ ...server, passes: server.passes.map((pass) => narrow(pass, known)) }));
}

async function patientOf(pool: Pool, common: Common): Promise<Patient> {
  const outcome = isDeadPool(pool) ? undefined : await askStatus(pool, common.timeoutMs);
  const address = parseAddress(pool.state.address);
  return new Patient({ ...common, name: describeEntry(pool), address, pool, outcome });
}

/** Where web servers pass requests to that is no pool of the caller's. */
function othersPassedTo(own: readonly Patient[], common: Common): Patient[] {
  const isOwn = (address: BoundAddress): boolean =>
    own.some((one) => one.address !== undefined && leadsTo(address, one.address));
  const others = new Map<string, Patient>();
  for (const { addresses } of common.servers.flatMap((server) => server.passes)) {
    if (addresses.some(isOwn)) continue;
    const patients = addresses.map(
      (address) => new Patient({ ...common, name: formatAddress(address), address }),
    );
    // Of a name with two addresses the one that somebody has.
    const patient = patients.find(({ listeners }) => listeners.length > 0) ?? patients[0];
    if (patient) others.set(patient.name, patient);
  }
  return [...others.values()];
}

const notOurs = new Set<number>([ctlStatus.noSuchPool, ctlStatus.notPermitted]);

async function findPatient(target: string, finder: PoolFinder, common: Common): Promise<Patient> {
  const named = common.pools.find(({ state }) => state.pidFile === resolve(target));
  try {
    return await patientOf(named ?? (await finder.find(target)), common);
  } catch (error) {
    if (!(error instanceof SpawnFcgiError) || !notOurs.has(error.exitCode)) throw error;
    return findStranger(target, error, common);
  }
}

/** Whatever the target is, it is no pool of the caller's. */
async function findStranger(target: string, error: SpawnFcgiError, common: Common): Promise<Patient> {
  const parsed = parseTarget(target);
  if (parsed?.kind === 'path') {
    const path = resolve(parsed.path);
    const content = readPath(path);
    const isPidFile =
      content.kind === 'pid-file' || (content.kind === 'absent' && basename(path).endsWith('.pid'));
    if (!isPidFile) return new Patient({ ...common, name: path, address: { kind: 'unix', path } });
    const pidFile = { path, problem: error.message.replace(/^no such pool: '[^']*'; /, '') };
    return new Patient({ ...common, name: path, address: undefined, pidFile });
  }
  if (parsed?.kind === 'number' && (parsed.number > maxPort || isProcess(parsed.number))) throw error;
  const address = parsed && (await addressOf(parsed));
  if (!address) throw error;
  if (isElsewhere(address) && common.uri === undefined) throw refuseElsewhere(address);
  return new Patient({ ...common, name: formatAddress(address), address });
}

function refuseElsewhere(address: BoundAddress): SpawnFcgiError {
  const name = formatAddress(address);
  const message = `no such pool: ${name} is no address of this machine: ask there, or for an answer from here by --request URI`;
  return new SpawnFcgiError(message, { exitCode: ctlStatus.noSuchPool });
}

async function addressOf(
  target: Exclude<ReturnType<typeof parseTarget>, undefined | { kind: 'path' }>,
): Promise<BoundAddress | undefined> {
  if (target.kind === 'abstract') return target;
  const port = target.kind === 'tcp' ? target.port : target.number;
  const host = target.kind === 'tcp' && target.host !== '' ? target.host : 'localhost';
  const [ip] = await addressesOf(host);
  return ip === undefined ? undefined : { kind: 'tcp', family: ip.includes(':') ? 6 : 4, ip, port };
}
