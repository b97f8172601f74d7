// Where a listening socket comes from: the first source that has one, and bind(2) after all of them.
import { expect, test } from 'vitest';
import { listenFrom, type Found, type Listening, type Sought } from '../../src/start/source/socket-source.ts';

const sought = { address: '/run/app.sock' } as Sought;
const socket = (inode: string) => ({ descriptor: 3, inode, file: undefined });
const inherited = (inode: string): Listening => ({
  socket: socket(inode),
  isTakingOver: true,
  former: undefined,
});

function createSources(...finds: readonly Found[]) {
  const asked: string[] = [];
  const sources = finds.map((found, index) => () => {
    asked.push(`source ${index}`);
    return found;
  });
  const listen = listenFrom(sources, ({ former }) => {
    asked.push(`bind in place of ${former?.inode ?? 'nothing'}`);
    return { socket: socket('9'), isTakingOver: false, former };
  });
  return { listen, asked };
}

test('the first source that has a socket wins, and no other is asked', async () => {
  const { listen, asked } = createSources(undefined, inherited('5'), inherited('6'));
  expect(await listen(sought)).toMatchObject({ socket: { inode: '5' }, isTakingOver: true });
  expect(asked).toEqual(['source 0', 'source 1']);
});

test('where no source has one it is bound', async () => {
  const { listen, asked } = createSources(undefined, undefined);
  expect(await listen(sought)).toMatchObject({ socket: { inode: '9' }, isTakingOver: false });
  expect(asked).toEqual(['source 0', 'source 1', 'bind in place of nothing']);
});

test('a socket that nobody can reach is no socket, and another is bound in its place', async () => {
  const { listen, asked } = createSources({ former: socket('4') }, undefined);
  expect(await listen(sought)).toMatchObject({ socket: { inode: '9' }, former: { inode: '4' } });
  expect(asked).toEqual(['source 0', 'source 1', 'bind in place of 4']);
});
