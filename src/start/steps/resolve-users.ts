// Steps of a start: whom -u, -g, -U and -G mean, and how the out-of-memory killer is to see who runs as them.
import { findGroup, requireGroup, resolveIdentity, type Identity } from '../../sys/process/identity.ts';
import { WorkerOomScore } from '../../sys/process/oom-score.ts';
import type { Given } from '../start-given.ts';

export interface Users {
  /** Of the workers. */
  readonly identity: Identity;
  /** Of the socket, where it is another. */
  readonly socketIdentity: Identity;
}

const noIdentity: Identity = { uid: 0, gid: 0, userName: undefined };

export function resolveUsers({ config }: Pick<Given, 'config'>): Users {
  if (process.getuid?.() !== 0) return { identity: noIdentity, socketIdentity: noIdentity };
  const identity = resolveIdentity(config.user, config.group);
  const socketIdentity = resolveIdentity(config.socketUser, config.socketGroup);
  requireGroup(identity);
  return { identity, socketIdentity };
}

export interface ControlGroup {
  /** Of --control-group; undefined: the control socket is its owner's alone. */
  readonly controlGid: number | undefined;
}

export function resolveControlGroup({ config }: Pick<Given, 'config'>): ControlGroup {
  const { controlGroup } = config;
  return { controlGid: controlGroup === undefined ? undefined : findGroup(controlGroup) };
}

export interface OomScored {
  /** Undefined where workers keep ours. */
  readonly oomScore: WorkerOomScore | undefined;
}

export function openOomScore({ config, proc, identity }: Pick<Given, 'config' | 'proc'> & Users): OomScored {
  return { oomScore: WorkerOomScore.open(proc !== undefined, config.oomScoreAdj, identity) };
}
