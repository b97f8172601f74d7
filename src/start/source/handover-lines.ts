// The lines of a handover after its request, for both supervisors.
import { readStartTime } from '../../sys/proc/boot-clock.ts';

/** A worker of the new supervisor, which the old one ends if the new one dies. */
export interface TakerWorker {
  readonly pid: number;
  readonly startTime: string;
}

/** What a feature of the old supervisor gives to its like in the new one. */
export interface Gift {
  readonly feature: string;
  /** Copies, whose owner is who gets them. */
  readonly descriptors: readonly number[];
  /** Unjudged; undefined: nothing. */
  readonly data?: unknown;
}

/** What was asked of the old supervisor during the handover, for the new one to carry out. */
export interface Pending {
  readonly reload: boolean;
}

/**
 * What the new supervisor says: a worker started, one will start on a socket of its own (the inode), all
 * are up (with the files that it writes), everything is taken.
 */
export type TakerLine =
  | ({ readonly handover: 'started' } & TakerWorker)
  | { readonly handover: 'trying'; readonly socket: string }
  | { readonly handover: 'ready'; readonly pidFiles: readonly string[] }
  | { readonly handover: 'done' };

export type GiverLine =
  /** Before the offer, once or more for each feature that has something to give: it carries the descriptors. */
  | ({ readonly handover: 'gift' } & Pick<Gift, 'feature' | 'data'>)
  | { readonly handover: 'offer' }
  | { readonly handover: 'yours'; readonly pending: Pending }
  | { readonly handover: 'stopping' }
  | { readonly handover: 'back' }
  | { readonly handover: 'refused'; readonly message: string };

export function parseTakerLine(line: string): TakerLine | undefined {
  const fields = parseObject(line);
  switch (fields?.['handover']) {
    case 'started': {
      const { pid, startTime } = fields;
      const isWorker = Number.isInteger(pid) && Number(pid) > 1 && typeof startTime === 'string';
      return isWorker
        ? { handover: 'started', pid: Number(pid), startTime: readStartTime(startTime) }
        : undefined;
    }
    case 'trying': {
      const { socket } = fields;
      const isInode = typeof socket === 'string' && /^\d+$/.test(socket);
      return isInode ? { handover: 'trying', socket } : undefined;
    }
    case 'ready': {
      const { pidFiles } = fields;
      const isList = Array.isArray(pidFiles) && pidFiles.every((file) => typeof file === 'string');
      return isList ? { handover: 'ready', pidFiles } : undefined;
    }
    case 'done':
      return { handover: 'done' };
    default:
      return undefined;
  }
}

const unexpected = { handover: 'refused', message: 'it does not answer as expected' } as const;

/** Everything that is no line of a handover is a refusal, as a result line of the protocol is. */
export function parseGiverLine(line: string): GiverLine {
  const fields = parseObject(line);
  switch (fields?.['handover']) {
    case 'offer':
    case 'stopping':
    case 'back':
      return { handover: fields['handover'] };
    case 'gift': {
      const { feature, data } = fields;
      return typeof feature === 'string' ? { handover: 'gift', feature, data } : unexpected;
    }
    case 'yours':
      return { handover: 'yours', pending: { reload: fields['reload'] === true } };
    default: {
      const message = fields?.['message'];
      return {
        ...unexpected,
        ...(typeof message === 'string' ? { message } : {}),
      };
    }
  }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
