// What features hand over with a pool: the lines and descriptors on the wire, with supervisors that know of it and with
// those that do not.
import { closeSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as ends from '../helpers/fakes/index.ts';

const offer = '{"handover":"offer"}';

test('a giver sends what its features give, as many descriptors as they are, before its offer', async () => {
  const [one, two] = [ends.openNull(), ends.openNull()];
  const taker = await ends.beginHandover(
    [
      {
        name: 'output',
        gives: () => ({ descriptors: [one, two, one, two, one, two, one, two, one], data: [7] }),
      },
      { name: 'words', gives: () => ({ descriptors: [], data: 'no descriptor' }) },
      { name: 'mute' },
    ],
    { pid: process.pid, takesGifts: true },
  );
  expect([1, 2, 3, 4].map(() => ends.describeLine(taker))).toEqual([
    [{ v: 1, handover: 'gift', feature: 'output', data: [7] }, 8],
    [{ v: 1, handover: 'gift', feature: 'output' }, 1],
    [{ v: 1, handover: 'gift', feature: 'words', data: 'no descriptor' }, 0],
    [{ v: 1, handover: 'offer' }, 4],
  ]);
});

test('a taker that does not ask for gifts, an older one, gets the offer alone', async () => {
  const features = [{ name: 'output', gives: () => ({ descriptors: [ends.openNull()] }) }];
  const taker = await ends.beginHandover(features, { pid: process.pid });
  expect(ends.describeLine(taker)).toEqual([{ v: 1, handover: 'offer' }, 4]);
});

test('a taker keeps the gifts that come before the offer', async () => {
  const giver = await ends.askPeer(
    'give=2:{"handover":"gift","feature":"output","data":{"a":1}}/',
    'give=1:{"handover":"gift","feature":"output"}/',
    `give=4:${offer}/`,
  );
  const taken: unknown[] = [];
  const list = ends.listOf([
    {
      name: 'output',
      takes({ data, descriptors }) {
        taken.push(data, descriptors.map(ends.targetOf));
        descriptors.forEach((descriptor) => closeSync(descriptor));
      },
    },
  ]);
  list.take(giver.gifts);
  expect(taken).toEqual([{ a: 1 }, ['/dev/null', '/dev/null', '/dev/null']]);
});

test('what no feature of the taker wants is closed', async () => {
  const before = ends.openNulls();
  const giver = await ends.askPeer('give=3:{"handover":"gift","feature":"unheard-of"}/', `give=4:${offer}/`);
  expect(ends.openNulls()).toBe(before + 7);
  ends.listOf([{ name: 'output' }]).take(giver.gifts);
  expect(ends.openNulls()).toBe(before + 4);
});

test('a giver that knows no gifts, an older one, gives the pool all the same', async () => {
  const giver = await ends.askPeer(`give=4:${offer}/`);
  expect(giver.gifts).toEqual([]);
  expect(ends.targetOf(giver.offer.control)).toBe('/dev/null');
});

test('gifts before a refusal are closed with it', async () => {
  const before = ends.openNulls();
  const gift = 'give=3:{"handover":"gift","feature":"output"}/';
  await expect(ends.askPeer(gift, 'say={"ok":false,"message":"busy: reload"}/')).rejects.toThrow(
    'busy: reload',
  );
  await expect(ends.askPeer(gift, `give=5:${offer}/`)).rejects.toThrow('it does not answer as expected');
  await expect(ends.askPeer('give=3:{"handover":"gift"}/', `give=4:${offer}/`)).rejects.toThrow(
    'as expected',
  );
  expect(ends.openNulls()).toBe(before);
});
