// What the features of a pool are asked, in which order, and what one that fails means for the others.
import { describe, expect, test } from 'vitest';
import { FeatureList } from '../../src/features/feature-list.ts';
import type { Feature } from '../../src/features/feature.ts';

function createList(...features: readonly Feature[]) {
  const failures: string[] = [];
  const list = new FeatureList(({ message }) => failures.push(message));
  list.add(...features);
  return { list, failures };
}

const place = { slot: 0, role: 'worker' } as const;

function texts(environment: readonly Buffer[]): string[] {
  return environment.map((entry) => entry.toString('latin1'));
}

describe('variables', () => {
  const caller = ['PATH=/bin', 'NOTIFY_SOCKET=@theirs', 'NOTIFY_SOCKET_2=x'].map((entry) =>
    Buffer.from(entry),
  );

  test('take the place of the caller’s of the same name', () => {
    const { list } = createList({}, { variables: { NOTIFY_SOCKET: '@ours' } });
    expect(texts(list.equip(caller))).toEqual(['PATH=/bin', 'NOTIFY_SOCKET_2=x', 'NOTIFY_SOCKET=@ours']);
  });

  test('without a feature that has any are the caller’s', () => {
    const { list } = createList({});
    expect(list.equip(caller)).toEqual(caller);
  });
});

describe('a process', () => {
  test('is announced before it starts and named afterwards', () => {
    const journal: string[] = [];
    const { list } = createList({
      starting: () => void journal.push('starting'),
      begun: (pid) => void journal.push(`begun ${pid}`),
    });
    list.start(place, () => {
      journal.push('spawn');
      return { pid: 7 };
    });
    list.start(place, () => ({ errno: 2 }));
    expect(journal).toEqual(['starting', 'spawn', 'begun 7', 'starting', 'begun undefined']);
  });

  test('has variables and streams of its own by its slot and role, the later feature’s first', () => {
    const { list } = createList(
      {
        variablesOf: ({ slot }) => ({ SLOT: `${slot}`, ROLE: 'any' }),
        streamsOf: () => ({ stdout: 5, stderr: 6 }),
      },
      {
        variablesOf: ({ role }) => ({ ROLE: role }),
        streamsOf: ({ slot }) => (slot === 3 ? { stderr: 9 } : undefined),
      },
    );
    const own: unknown[] = [];
    const note = (parts: unknown): { pid: number } => ({ pid: own.push(parts) });
    list.start({ slot: 3, role: 'worker' }, note);
    list.start({ slot: 0, role: 'trial' }, note);
    expect(own).toEqual([
      { variables: { SLOT: '3', ROLE: 'worker' }, stdout: 5, stderr: 9 },
      { variables: { SLOT: '0', ROLE: 'trial' }, stdout: 5, stderr: 6 },
    ]);
  });

  test('has nothing of its own, and is started as the others, where no feature gives it anything', () => {
    const { list } = createList({ variables: { A: 'b' } }, { streamsOf: () => undefined });
    list.start(place, (own) => {
      expect(own).toBeUndefined();
      return { pid: 7 };
    });
  });

  test('is looked at from outside unless a feature knows whether it is ready', () => {
    const { list } = createList({}, { evidenceOf: (pid) => (pid === 7 ? 'yes' : 'no') });
    expect([list.evidenceOf(7), list.evidenceOf(8)]).toEqual(['yes', 'no']);
    expect(createList({}).list.evidenceOf(7)).toBeUndefined();
  });
});

describe('the life of a pool', () => {
  test('reaches every feature in the order of the list', () => {
    const journal: string[] = [];
    const feature = (name: string): Feature => ({
      up: () => void journal.push(`${name} up`),
      stopping: (wasUp) => void journal.push(`${name} stopping ${wasUp}`),
    });
    const { list } = createList(feature('a'), {}, feature('b'));
    list.live('up');
    list.live('stopping', true);
    expect(journal).toEqual(['a up', 'b up', 'a stopping true', 'b stopping true']);
  });

  test('goes on when a feature fails, which is told', () => {
    const journal: string[] = [];
    const failing: Feature = {
      release() {
        throw new Error('no room');
      },
    };
    const { list, failures } = createList(failing, { release: () => void journal.push('released') });
    list.live('release', true);
    expect([journal, failures]).toEqual([['released'], ['no room']]);
  });
});

describe('the farewell', () => {
  test('is over when each feature has called back, one after the other', () => {
    const journal: string[] = [];
    let goOn = (): void => undefined;
    const patient: Feature = {
      farewell(done) {
        journal.push('patient');
        goOn = done;
      },
    };
    const quick: Feature = {
      farewell(done) {
        journal.push('quick');
        done();
      },
    };
    const { list } = createList({}, patient, quick);
    list.farewell(() => void journal.push('over'));
    expect(journal).toEqual(['patient']);
    goOn();
    expect(journal).toEqual(['patient', 'quick', 'over']);
  });

  test('of no feature is over at once', () => {
    let isOver = false;
    createList({}).list.farewell(() => (isOver = true));
    expect(isOver).toBe(true);
  });
});
