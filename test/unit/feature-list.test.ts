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

  test('is not hidden by a feature that fails to hear of it, nor is a start that failed', () => {
    const begun: unknown[] = [];
    const failing: Feature = {
      begun() {
        throw new Error('deaf');
      },
    };
    const { list, failures } = createList(failing, { begun: (pid) => void begun.push(pid) });
    expect(list.start(place, () => ({ pid: 7 }))).toEqual({ pid: 7 });
    const fail = (): never => {
      throw new Error('no process');
    };
    expect(() => list.start(place, fail)).toThrow('no process');
    expect([begun, failures]).toEqual([
      [7, undefined],
      ['deaf', 'deaf'],
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

describe('what the next supervisor gets', () => {
  const failing: Feature = {
    name: 'failing',
    gives() {
      throw new Error('no gift');
    },
    remembers() {
      throw new Error('no memory');
    },
  };

  test('is given by the features that have a name and something to give', () => {
    const gift = { descriptors: [9], data: { path: '/log' } };
    const { list, failures } = createList({ name: 'mute' }, failing, { name: 'output', gives: () => gift });
    expect(list.gifts()).toEqual([{ feature: 'output', ...gift }]);
    expect(failures).toEqual(['no gift']);
  });

  test('comes to its like whole, in however many pieces it was sent', () => {
    const taken: unknown[] = [];
    const { list } = createList({ name: 'output', takes: (gift) => void taken.push(gift) }, { name: 'mute' });
    list.take([
      { feature: 'output', data: 1, descriptors: [-5, -6] },
      { feature: 'output', descriptors: [-7] },
    ]);
    expect(taken).toEqual([{ feature: 'output', data: 1, descriptors: [-5, -6, -7] }]);
  });

  test('is remembered by name, and nothing is written where nobody remembers anything', () => {
    const { list, failures } = createList(
      failing,
      { name: 'mute' },
      { name: 'output', remembers: () => [7] },
    );
    expect([list.memories(), failures]).toEqual([{ output: [7] }, ['no memory']]);
    expect(createList({ name: 'mute' }, {}).list.memories()).toBeUndefined();
  });

  test('is recalled by its like alone, and by nobody where nobody remembered', () => {
    const recalled: unknown[] = [];
    const { list } = createList(
      { name: 'output', recalls: (memory) => void recalled.push(memory) },
      { name: 'toString', recalls: () => void recalled.push('inherited') },
    );
    list.recall();
    list.recall({ output: 'x', newer: 'y' });
    expect(recalled).toEqual(['x']);
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
