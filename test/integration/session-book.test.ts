// Which processes belong to a session, from one look to the next, and what they have in RAM.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ProcessMemory } from '../../src/sys/proc/process-memory.ts';
import { SessionBook } from '../../src/sys/session/session-book.ts';
import * as machine from '../helpers/machine/index.ts';
import { waitForPids } from '../helpers/pool/index.ts';
import * as sys from '../helpers/sys/index.ts';

const proc = sys.openProc();

/** A session whose leader is a shell that does what it reads. */
function startSession(): { leader: number; type: (command: string) => void } {
  const shell = spawn('/bin/sh', [], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const leader = shell.pid ?? 0;
  machine.atEnd(() => {
    for (const pid of machine.sessionMembers(leader)) process.kill(pid, 'SIGKILL');
  });
  return { leader, type: (command) => void shell.stdin.write(`${command}\n`) };
}

/** Those of a session but its leader, once there are so many. */
function children(leader: number, count: number): Promise<number[]> {
  return machine.waitFor(`${count} children`, () => {
    const found = machine.sessionMembers(leader).filter((pid) => pid !== leader);
    return found.length === count && found;
  });
}

test('a book of sessions knows who has come, has gone and has left since the last look', async () => {
  const book = new SessionBook(proc);
  const { leader, type } = startSession();
  book.renew(0);
  expect(book.membersOf(leader)).toEqual([leader]);
  type('sleep 600 & sleep 600 &');
  const both = await children(leader, 2);
  expect(book.membersOf(leader)).toEqual([leader]);
  book.renew(1000);
  expect(book.membersOf(leader)[0]).toBe(leader);
  expect(new Set(book.membersOf(leader))).toEqual(new Set([leader, ...both]));
  process.kill(both[0] ?? 0, 'SIGKILL');
  const [left = 0] = await children(leader, 1);
  // It is reaped when the shell hears of it.
  type(':');
  await machine.waitFor('its end', () => machine.readStat(both[0] ?? 0) === undefined);
  book.renew(2000);
  expect(book.membersOf(leader)).toEqual([leader, left]);
  const file = join(machine.makeTempDir(), 'daemon');
  type(`exec setsid -f sh -c 'echo $$ > ${file}; exec sleep 600'`);
  const [daemon = 0] = await waitForPids(file);
  machine.atEnd(() => void process.kill(daemon, 'SIGKILL'));
  book.renew(3000);
  expect(book.membersOf(leader)).not.toContain(daemon);
  expect(book.membersOf(leader)).toContain(left);
  book.renew(60_000);
  expect(book.membersOf(leader)).toContain(left);
});

test('memory is as ps tells it, and the part of pages that are shared is never more', () => {
  const memory = new ProcessMemory(proc);
  const resident = memory.residentBytes(process.pid) ?? 0;
  expect(resident).toBeGreaterThan(0.5 * process.memoryUsage.rss());
  expect(resident).toBeLessThan(2 * process.memoryUsage.rss());
  expect(memory.shareBytes(process.pid)).toBeLessThanOrEqual(1.2 * resident);
  expect(memory.residentBytes(2 ** 22 + 1)).toBeUndefined();
  expect(memory.shareBytes(2 ** 22 + 1)).toBeUndefined();
});
