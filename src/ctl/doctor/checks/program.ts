// Whether the program comes up: may its user execute it, and does it stay.
import { permission, permits, type Visitor } from '../../../core/file-access.ts';
import { credentialsOf } from '../../../sys/proc/credentials.ts';
import { hasAccessList } from '../../../sys/path/file-at.ts';
import { wayTo, type PathFacts } from '../../../sys/path/way-to.ts';
import type { WorkerStatus } from '../../../control/protocol.ts';
import type { Check, Finding } from '../check.ts';
import * as words from '../describe.ts';
import { adviseOpening } from '../safe-advice.ts';
import { lasting } from '../lasting.ts';
import { programIn } from '../own-command.ts';
import { lastLinesOf } from '../own-words.ts';
import type { Patient } from '../patient.ts';

export const programChecks: readonly Check[] = [
  { name: 'program-access', look: lookAtProgram },
  { name: 'crash-loop', look: lookForCrashes },
];

const execFailure = /^(?:exec|fork) failed: /;

/** Only where the last attempt failed so: the file may have changed since without harm. */
function lookAtProgram(patient: Patient): Finding | undefined {
  const { pool, status } = patient;
  const failed = status?.workers.find(
    ({ lastExit, pid }) => pid === null && execFailure.test(lastExit ?? ''),
  );
  if (!pool || !status || !failed) return undefined;
  const user = words.userName(pool.state.workerUid);
  const path = programIn(status.command);
  const obstacle =
    path === undefined || !patient.seesOurFiles ? undefined : obstacleOf(path, userOfWorkers(patient), user);
  return {
    says: obstacle?.says ?? `its program cannot be executed: ${failed.lastExit}`,
    fix:
      obstacle?.fix ??
      `look at the file and what its first line (#!) names, as ${user}; the next attempt is made by itself, or by spawn-fcgictl reload ${words.targetOf(patient)}`,
    evidence: [
      `slot ${failed.slot}: ${failed.lastExit}`,
      ...(path === undefined ? [] : [`the program is ${path}, its user ${user}`]),
    ],
  };
}

/** As whom workers run: the supervisor is what they are. */
function userOfWorkers({ pool }: Patient): Visitor {
  const uid = pool?.state.workerUid ?? 0;
  const supervisor = credentialsOf(pool?.state.pid ?? 0);
  return { uid, gids: supervisor?.uid === uid ? supervisor.gids : [] };
}

function obstacleOf(path: string, user: Visitor, name: string): Pick<Finding, 'says' | 'fix'> | undefined {
  const { directories, end, missing } = wayTo(path);
  const closed = directories.find(
    (one) => !permits(one, user, permission.search) && !hasAccessList(one.path),
  );
  if (closed)
    return {
      says: `${name}, as whom its workers run, cannot enter ${closed.path} (${words.describePermissions(closed)}), where its program is`,
      fix: `${adviseOpening(path, closed, 'chmod o+x')}, or put the program where ${name} gets to`,
    };
  if (missing !== undefined)
    return {
      says: `its program is not there: there is no ${missing}`,
      fix: `put ${path} there; the next attempt is made by itself`,
    };
  if (end?.kind !== 'file' || mayExecute(end, user)) return undefined;
  return {
    says: `${name}, as whom its workers run, may not execute ${end.path} (${words.describePermissions(end)})`,
    fix: adviseOpening(path, end, 'chmod a+rx'),
  };
}

/** Root needs an x bit, too: anybody's. */
function mayExecute(file: PathFacts, user: Visitor): boolean {
  const isProgram = (file.mode & 0o111) !== 0;
  return isProgram && (permits(file, user, permission.search) || hasAccessList(file.path));
}

/** So often it must have ended, and so lately the last time, where no slot waits for its next try. */
const manyRestarts = 3;
const lateMs = 10_000;

async function lookForCrashes(patient: Patient): Promise<Finding | undefined> {
  const status = await lasting(patient, ({ workers }) => workers.some(isFailing));
  const failing = status?.workers.filter(isFailing) ?? [];
  const [worker] = failing;
  if (!status || !worker) return undefined;
  const said = await wordsOf(patient);
  const last = said.at(-1);
  const how = worker.lastExit ?? 'ended';
  const count = `${failing.length} of ${status.wanted} workers`;
  const target = words.targetOf(patient);
  return {
    says: `crash loop: ${count} end again and again (the last one ${how}${last === undefined ? '' : `, saying: ${last}`})`,
    fix:
      last === undefined
        ? `see what it says: spawn-fcgictl try ${target} (and start the pool with --output FILE, which keeps it)`
        : `put right what it says, then: spawn-fcgictl reload ${target}`,
    evidence: [...failing.slice(0, 4).map(describeWorker), ...said.map((line) => `it said: ${line}`)],
  };
}

function isFailing({ state, restarts, lastExit, uptimeMs }: WorkerStatus): boolean {
  if (state === 'backoff') return true;
  const isCrash = lastExit !== null && lastExit !== 'exited with status 0';
  return isCrash && restarts >= manyRestarts && (uptimeMs ?? 0) < lateMs;
}

function describeWorker({ slot, restarts, lastExit, nextTryMs }: WorkerStatus): string {
  const next = nextTryMs === null ? '' : `, next try in ${(nextTryMs / 1000).toFixed(1)} s`;
  return `slot ${slot}: ${restarts} restarts, the last one ${lastExit ?? 'ended'}${next}`;
}

/** Of the newest file that workers write into. */
async function wordsOf({ status, pool }: Patient): Promise<string[]> {
  for (const path of status?.output?.files ?? []) {
    const found = pool ? await lastLinesOf(path, pool) : [];
    if (found.length > 0) return found;
  }
  return [];
}
