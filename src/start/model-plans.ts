// What a start does up to the first worker, for each model, in the order that the drop of privileges dictates
// (docs/internals/start.md). A model chooses its steps; no step asks for the model.
import type { Config } from '../core/config.ts';
import { allowChildAttributes, allowOwnAttributes } from './steps/allow-attributes.ts';
import { askAhead, type Asked } from './steps/ask-ahead.ts';
import { bindSocket, keepBinding } from './source/bind-socket.ts';
import { checkProgram } from './steps/check-program.ts';
import {
  claimPlace,
  leaveOrphans,
  openControl,
  releaseFiles,
  sayHints,
  takeOrphans,
} from './steps/claim-place.ts';
import { requireDistinctFiles } from './steps/distinct-files.ts';
import { changeDirectory, dropGroups, dropUser, enterRoot } from './steps/drop-privileges.ts';
import { requireFiles } from './file-limit.ts';
import { findPlace } from './steps/find-place.ts';
import { fromGiver, fromOrphans } from './source/inherit-socket.ts';
import { fromUnsupervised } from './source/move-socket.ts';
import { openEventLog, stderrLog, syslog, type DefaultLog } from './steps/open-event-log.ts';
import { openNowhere } from './steps/open-nowhere.ts';
import { openManager } from './steps/open-manager.ts';
import { openOutput } from './steps/open-output.ts';
import { openStatusSocket } from './steps/open-status-socket.ts';
import { claimPidFile, findPidFile, openWorkerPidFiles } from './steps/open-pid-files.ts';
import type { InPlaceStart, PreparedPool, UnsupervisedStart } from './prepared-pool.ts';
import { openOomScore, resolveControlGroup, resolveUsers } from './steps/resolve-users.ts';
import { chooseOwner, foresee } from './steps/socket-owner.ts';
import {
  closeFormer,
  listenFrom,
  type Listening,
  type SocketSource,
  type Sought,
} from './source/socket-source.ts';
import { closeKept, fromKept, useGiven } from './source/use-given.ts';
import type { Given } from './start-given.ts';
import { startGuard } from './steps/start-guard.ts';
import { Plan, type Step } from './start-plan.ts';

/** -n with 1.6's options: no PID file, and no child, not even a guard, that would outlive the exec. */
export function inPlacePlan(config: Config): Plan<Given, InPlaceStart> {
  const claimed = Plan.from<Given>()
    .step(resolveUsers)
    .step(allowOwnAttributes)
    .step(findPlace)
    .step(claimPlace({ takesOver: false }))
    .step(leaveOrphans);
  return enter(claimed.step(chooseOwner).step(foresee), config, [])
    .step(checkProgram)
    .step(releaseFiles)
    .step(dropUser)
    .step(changeDirectory);
}

/** --no-supervise. */
export function unsupervisedPlan(config: Config): Plan<Given, UnsupervisedStart> {
  const claimed = Plan.from<Given>()
    .step(openNowhere)
    .step(findPidFile)
    .step(resolveUsers)
    .step(allowChildAttributes)
    .step(findPlace)
    .step(requireDistinctFiles)
    .step(claimPlace({ takesOver: false }))
    .step(leaveOrphans)
    .step(sayHints);
  const guarded = claimed.step(claimPidFile).step(startGuard).step(chooseOwner);
  return enter(guarded, config, []).step(dropUser).step(changeDirectory);
}

export const foregroundPlan = (config: Config): Plan<Given, PreparedPool> =>
  supervisedPlan(config, stderrLog);

export const backgroundPlan = (config: Config): Plan<Given, PreparedPool> => supervisedPlan(config, syslog);

function supervisedPlan(config: Config, log: DefaultLog): Plan<Given, PreparedPool> {
  const claimed = Plan.from<Given>()
    .step(requireFiles)
    .step(openNowhere)
    .step(findPidFile)
    .step(resolveUsers)
    .step(resolveControlGroup)
    .step(openOomScore)
    .step(allowChildAttributes)
    .step(findPlace)
    .step(requireDistinctFiles)
    .step(claimPlace({ takesOver: true }))
    .step(openControl)
    .step(takeOrphans)
    .step(openManager)
    .step(sayHints);
  const guarded = claimed
    .step(claimPidFile)
    .step(openWorkerPidFiles)
    .step(openEventLog(log))
    .step(openOutput)
    .step(startGuard)
    .step(chooseOwner)
    .step(openStatusSocket)
    .step(foresee);
  return enter(guarded, config, [fromGiver, fromOrphans, fromUnsupervised])
    .step(dropUser)
    .step(changeDirectory)
    .step(keepBinding);
}

/** The groups, the chroot, and the socket inside it; with -S in front of it, as one that was opened out here. */
function enter<Have extends Sought>(
  plan: Plan<Given, Have>,
  { listen, socketBeforeChroot }: Config,
  sources: readonly SocketSource[],
): Plan<Given, Have & Listening & Asked> {
  const find: Step<Sought, Listening> =
    listen.kind === 'given' ? useGiven : listenFrom([...sources, fromKept], bindSocket);
  return socketBeforeChroot || listen.kind === 'given'
    ? plan.step(find).step(closeKept).step(closeFormer).step(askAhead).step(dropGroups).step(enterRoot)
    : plan.step(dropGroups).step(enterRoot).step(find).step(closeKept).step(closeFormer).step(askAhead);
}
