// What is told of the pool besides its workers, as terms and texts. Pure.
import type { PageData } from '../data.ts';
import { bytes, counts, duration, percent, plural } from '../words.ts';

export interface Shares {
  readonly workers: number | undefined;
  readonly supervisor: number | undefined;
}

type Term = readonly [term: string, text: string];

export function poolFacts(data: PageData, shares: Shares): Term[] {
  const { generation, inside, workers } = data;
  const outdated = workers.filter(({ pid, generation: own }) => pid !== undefined && own < generation).length;
  return [
    ['Release', `generation ${generation}${inside ? `, ${inside.release}` : ''}`],
    ['Outdated', outdated === 0 ? '' : `${plural(outdated, 'worker')} of an older release`],
    ['Under way', describeOperation(data)],
    ['Reloads', counts(data.reloads) || 'none'],
    ['Restarts', counts(data.restarts) || 'none'],
    ['Replaced', counts(data.replaced ?? {})],
    ['Requests', counts({ slow: data.slowRequests ?? 0, stuck: data.stuckRequests ?? 0 })],
    ['Workers', describeWanted(data)],
    ['Spares', describeSpares(data)],
    ['Memory', describeMemory(data)],
    ['CPU', describeCpu(shares)],
    ['Supervisor', `PID ${data.pid}, version ${data.version}, up ${duration(data.upMs)}`],
  ];
}

function describeOperation({ operation }: PageData): string {
  if (!operation) return '';
  const { kind, sinceMs, step } = operation;
  return `${kind} for ${duration(sinceMs)}${step === '' ? '' : `: ${step}`}`;
}

function describeWanted({ wanted, scaling }: PageData): string {
  if (!scaling) return `${wanted} wanted`;
  const { min, max, last } = scaling;
  return `${wanted} wanted, by the load ${min} to ${max}${last === null ? '' : `; ${last}`}`;
}

function describeSpares({ spares }: PageData): string {
  if (!spares) return '';
  const ready = spares.workers.filter(({ state }) => state === 'ready').length;
  return `${ready} of ${spares.wanted} ready`;
}

function describeMemory({ workers, spares, supervisor }: PageData): string {
  const all = [...workers, ...(spares?.workers ?? [])].map(({ usage }) => usage?.rssBytes ?? 0);
  const sum = all.reduce((total, one) => total + one, 0);
  return join([sum > 0 && `workers ${bytes(sum)}`, supervisor && `supervisor ${bytes(supervisor.rssBytes)}`]);
}

function describeCpu({ workers, supervisor }: Shares): string {
  return join([
    workers !== undefined && `workers ${percent(workers)}`,
    supervisor !== undefined && `supervisor ${percent(supervisor)}`,
  ]);
}

function join(parts: readonly (string | false | null)[]): string {
  return parts.filter((part) => typeof part === 'string').join(', ');
}
