// Steps of a start: takes the pool's lock and files, says what is there already, and opens the control socket.
import { SpawnFcgiError } from '../../core/errors.ts';
import { readVariable } from '../../sys/process/caller.ts';
import { removeIfSame } from '../../sys/path/file-at.ts';
import type { CreatedFile } from '../../sys/file/held-file.ts';
import type { PoolFiles } from '../../sys/file/pool-files.ts';
import { claimAddress, type Claim, type ClaimOptions } from '../address/claim-address.ts';
import type { Place } from './find-place.ts';
import type { ControlGroup, Users } from './resolve-users.ts';
import { printHint } from '../report/print.ts';
import type { Given } from '../start-given.ts';
import type { StartJournal } from '../start-journal.ts';
import type { Step } from '../start-plan.ts';
import { findUnsupervised, type Unsupervised } from '../source/find-unsupervised.ts';

export interface Claimed {
  readonly claim: Claim;
  /** Lock, state and control socket; undefined where no base directory can be used. */
  readonly files: PoolFiles | undefined;
  /** To print as soon as somebody is to serve there. */
  readonly hints: readonly string[];
}

/** Who has a supervisor can take over what another one leaves, or cannot serve any more. */
export function claimPlace({ takesOver }: Pick<ClaimOptions, 'takesOver'>): Step<Given & Place, Claimed> {
  return async ({ config, caller, journal, proc, interruption, bound }) => {
    const runtime = {
      ofUser: readVariable(caller.environment, 'XDG_RUNTIME_DIR'),
      ofUnit: readVariable(caller.environment, 'RUNTIME_DIRECTORY'),
    };
    const whileWaiting = (): void => interruption.whileWaiting();
    const claim = await claimAddress({ config, runtime, address: bound, takesOver, proc, whileWaiting });
    const { giver, files, hints } = claim;
    if (giver) journal.changed(() => giver.connection.close());
    files?.created().forEach((file) => noteCreated(file, journal));
    return { claim, files, hints };
  };
}

/** One that gives its pool gives its control socket, too, and who may use it stays as it was. */
export function openControl({
  claim,
  files,
  hints,
  journal,
  controlGid,
}: Claimed & Pick<Given, 'journal'> & ControlGroup): Pick<Claimed, 'hints'> {
  if (claim.giver) return { hints: [...hints, ...describeGroup(files, controlGid)] };
  const control = files?.openControl(controlGid);
  if (control && 'created' in control) noteCreated(control.created, journal);
  if (!control || !('problem' in control)) return { hints };
  if (controlGid !== undefined) throw new SpawnFcgiError(`--control-group: ${control.problem}`);
  return { hints: [...hints, `spawn-fcgictl cannot reach this pool: ${control.problem}`] };
}

function describeGroup(files: PoolFiles | undefined, controlGid: number | undefined): string[] {
  const facts = files?.controlFacts();
  const is = facts && (facts.mode & groupWrites) !== 0 ? facts.gid : undefined;
  if (!facts || is === controlGid) return [];
  return [
    '--control-group stays what it was while a pool is taken over: stop it and start it anew to change that',
  ];
}

/** To connect is to write. */
const groupWrites = 0o020;

function noteCreated({ at, identity }: CreatedFile, journal: StartJournal): void {
  journal.made(at.path, identity, () => removeIfSame(at, identity));
}

/** Workers that nobody supervises; undefined: there are none that are taken over. */
export interface FoundWorkers {
  readonly unsupervised: Unsupervised | undefined;
}

/** Who serves until our workers are up: the pool of a supervisor that gives it to us, or of one that was killed. */
export type Predecessor = Pick<Claim, 'giver' | 'orphans' | 'memories'> & FoundWorkers;

/** They will be ours to end: who asks the service to stop may mean them alone. What nobody supervises is no service of ours. */
export async function takeOrphans({
  claim,
  interruption,
  ...sought
}: Claimed & Place & Users & Pick<Given, 'config' | 'proc' | 'interruption'>): Promise<Predecessor> {
  const { giver, orphans, memories } = claim;
  interruption.claimed(orphans.length);
  const isOurs = giver !== undefined || orphans.length > 0;
  const unsupervised = isOurs ? undefined : await lookForUnsupervised(sought);
  return { giver, orphans, memories, unsupervised };
}

/** A system call for those only who ask for it. */
async function lookForUnsupervised({
  config,
  proc,
  bound,
  identity,
}: Place & Users & Pick<Given, 'config' | 'proc'>): Promise<Unsupervised | undefined> {
  if (!config.replace || config.listen.kind === 'given' || !proc) return undefined;
  return findUnsupervised({ proc, bound, uid: identity.uid || (process.getuid?.() ?? 0) });
}

/** Nobody will be there to end them. */
export function leaveOrphans({ interruption }: Pick<Given, 'interruption'>): FoundWorkers {
  interruption.claimed(0);
  return { unsupervised: undefined };
}

export function sayHints({ hints }: Pick<Claimed, 'hints'>): void {
  hints.forEach(printHint);
}

/** For who leaves nobody behind that could remove them. */
export function releaseFiles({ files }: Pick<Claimed, 'files'>): void {
  files?.release();
}
