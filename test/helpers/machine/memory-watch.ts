// What the workers of a pool have in RAM while something goes on: looked at often, by session.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { sessionMembers } from './processes.ts';

const everyMs = 50;
/** Of the guards whose limits are watched. */
const lookMs = 1000;
const pageBytes = 4096;

export interface MemoryWatch {
  stop(): Promise<MemoryRecord>;
}

export interface MemoryRecord {
  looks: number;
  /** The most that any of the sessions had. */
  mostBytes: number;
  /** The most that any of them had more after a second. */
  mostGrowthBytes: number;
  /** The most sessions at a time. */
  mostSessions: number;
}

/** `sessions`: the leaders, asked before each look. */
export function watchMemory(sessions: () => readonly number[]): MemoryWatch {
  const record: MemoryRecord = { looks: 0, mostBytes: 0, mostGrowthBytes: 0, mostSessions: 0 };
  const histories = new Map<number, { atMs: number; bytes: number }[]>();
  let isStopped = false;
  async function run(): Promise<MemoryRecord> {
    while (!isStopped) {
      const leaders = sessions();
      record.looks += 1;
      record.mostSessions = Math.max(record.mostSessions, leaders.length);
      for (const leader of leaders) note(leader);
      await pause(everyMs);
    }
    return record;
  }
  function note(leader: number): void {
    const atMs = performance.now();
    const bytes = residentBytes(leader);
    const history = histories.get(leader) ?? [];
    const recent = history.filter((earlier) => atMs - earlier.atMs <= lookMs);
    histories.set(leader, [...recent, { atMs, bytes }]);
    const [first] = recent;
    record.mostBytes = Math.max(record.mostBytes, bytes);
    if (first) record.mostGrowthBytes = Math.max(record.mostGrowthBytes, bytes - first.bytes);
  }
  const watched = run();
  return {
    stop() {
      isStopped = true;
      return watched;
    },
  };
}

function residentBytes(leader: number): number {
  return sessionMembers(leader).reduce((sum, pid) => sum + residentOf(pid), 0);
}

function residentOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * pageBytes;
  } catch {
    return 0;
  }
}
