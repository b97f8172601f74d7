// The lines of a handover after its request, for both supervisors.

/** A worker of the new supervisor, which the old one ends if the new one dies. */
export interface Taker {
  readonly pid: number;
  readonly startTime: string;
}

/** What the new supervisor says: a worker started, all are up (with the files it writes), everything is taken. */
export type TakerLine =
  | ({ readonly handover: 'started' } & Taker)
  | { readonly handover: 'ready'; readonly pidFiles: readonly string[] }
  | { readonly handover: 'done' };

export function parseTakerLine(line: string): TakerLine | undefined {
  const fields = parseObject(line);
  switch (fields?.['handover']) {
    case 'started': {
      const { pid, startTime } = fields;
      const isWorker = Number.isInteger(pid) && Number(pid) > 1 && typeof startTime === 'string';
      return isWorker ? { handover: 'started', pid: Number(pid), startTime } : undefined;
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

/** What the old supervisor says; `refused` for everything else. */
export function parseGiverLine(line: string): 'offer' | 'yours' | { readonly refused: string } {
  const fields = parseObject(line);
  const word = fields?.['handover'];
  if (word === 'offer' || word === 'yours') return word;
  const message = fields?.['message'];
  return { refused: typeof message === 'string' ? message : 'it does not answer as expected' };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
