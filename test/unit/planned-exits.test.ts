// Planned exits in the log: singly while they are few, a number a minute where workers recycle themselves often.
import { describe, expect, test } from 'vitest';
import { describeEvent } from '../../src/core/text/event-text.ts';
import type { PoolEvent } from '../../src/core/text/pool-event.ts';
import { PlannedExits } from '../../src/supervisor/planned-exits.ts';
import { ManualClock } from '../helpers/models/index.ts';

function exit(slot: number): PoolEvent {
  return {
    event: 'worker-ended',
    slot,
    workerPid: 300 + slot,
    end: { kind: 'exited', status: 0 },
    uptimeMs: 250,
    class: 'planned',
    delayMs: 0,
  };
}

function createLog() {
  const clock = new ManualClock();
  const written: string[] = [];
  const planned = new PlannedExits(clock, (event) =>
    written.push(event.event === 'planned-exits' ? describeEvent(event) : event.event),
  );
  const take = (): string[] => written.splice(0);
  return { clock, planned, take };
}

describe('planned exits', () => {
  test('four a second are five lines and then one a minute, with the number of all others', () => {
    const { clock, planned, take } = createLog();
    const lines: string[] = [];
    for (let second = 0; second < 180; second++) {
      for (let slot = 0; slot < 4; slot++) planned.note(exit(slot));
      clock.advance(1000);
    }
    lines.push(...take());
    expect(lines.slice(0, 5)).toStrictEqual(Array.from({ length: 5 }, () => 'worker-ended'));
    expect(lines.slice(5, 7)).toStrictEqual([
      '239 planned exits in the last minute',
      '240 planned exits in the last minute',
    ]);
    planned.flush();
    const counts = [...lines, ...take()].slice(5).map((line) => Number.parseInt(line, 10));
    expect(5 + counts.reduce((sum, count) => sum + count, 0)).toBe(720);
  });

  test('that are few a minute stay lines of their own, and arm no timer', () => {
    const { clock, planned, take } = createLog();
    for (let count = 0; count < 40; count++) {
      planned.note(exit(0));
      expect(clock.pending).toBe(0);
      clock.advance(15_000);
    }
    expect(take()).toStrictEqual(Array.from({ length: 40 }, () => 'worker-ended'));
  });

  test('that stop leave one timer, for the last number, and none afterwards', () => {
    const { clock, planned, take } = createLog();
    for (let slot = 0; slot < 8; slot++) planned.note(exit(slot));
    expect(clock.pending).toBe(1);
    take();
    clock.advance(60_000);
    expect(take()).toStrictEqual(['3 planned exits in the last minute']);
    expect(clock.pending).toBe(0);
  });

  test('are written one by one again after a quiet minute', () => {
    const { clock, planned, take } = createLog();
    for (let slot = 0; slot < 20; slot++) planned.note(exit(slot));
    clock.advance(130_000);
    expect(clock.pending).toBe(0);
    take();
    planned.note(exit(0));
    expect(take()).toStrictEqual(['worker-ended']);
  });

  test('that were not written are told when the pool ends, with the time that they took', () => {
    const { clock, planned, take } = createLog();
    for (let slot = 0; slot < 6; slot++) planned.note(exit(slot));
    clock.advance(20_000);
    take();
    planned.flush();
    expect(take()).toStrictEqual(['1 planned exit in the last 20.0 s']);
    expect(clock.pending).toBe(0);
    planned.flush();
    expect(take()).toStrictEqual([]);
  });

  test('say whether they are only counted, until a minute without any', () => {
    const { clock, planned } = createLog();
    for (let count = 0; count < 5; count++) planned.note(exit(0));
    expect(planned.isSumming).toBe(false);
    planned.note(exit(0));
    expect(planned.isSumming).toBe(true);
    clock.advance(60_000);
    expect(planned.isSumming, 'one in the last minute').toBe(false);
    for (let count = 0; count < 12; count++) planned.note(exit(0));
    clock.advance(60_000);
    expect(planned.isSumming).toBe(true);
    clock.advance(60_000);
    expect(planned.isSumming).toBe(false);
  });
});
