// Which of the sockets that others have opened is taken, and what is refused: one line that names it, and the way out.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as pools from '../helpers/pool/index.ts';

/** In the foreground: the program would stay. */
async function refusalOf(
  place: pools.Place,
  settings: readonly string[],
  options: readonly string[] = [],
): Promise<{ line: string; hints: readonly string[] }> {
  const { status, stderr } = await pools.runGiven(place, settings, ['-n', '--supervise', ...options]);
  expect(status).toBe(255);
  await pools.expectNoProcess(place);
  return { line: pools.withoutHints(stderr), hints: pools.hintsOf(stderr) };
}

describe('of several sockets', () => {
  test('none is taken that is not chosen, and the refusal lists them', async () => {
    const place = pools.makePlace();
    const [one, other] = [join(place.runDir, 'a.sock'), join(place.runDir, 'b.sock')];
    const { line, hints } = await refusalOf(place, [`unix=${one}`, `unix=${other}`, 'names=web:admin']);
    expect(line).toBe(
      `spawn-fcgi: LISTEN_FDS has 2 sockets, and nothing says which to use: web (descriptor 3, ${one}), admin (descriptor 4, ${other})`,
    );
    expect(hints).toEqual(['choose one: --listen-fd web, or --listen-fd admin']);
  });

  test.each(['admin', '4'])('--listen-fd %s takes one, and the other is closed', async (choice) => {
    const place = pools.makePlace();
    const settings = [`unix=${join(place.runDir, 'a.sock')}`, `unix=${place.socket}`, 'names=web:admin'];
    const pool = await pools.startGiven(place, settings, ['--listen-fd', choice]);
    expect(pools.hintsOf(pool.stderr())).toEqual([
      `not used, and closed: web (descriptor 3, ${join(place.runDir, 'a.sock')})`,
    ]);
    expect(await pools.statusOf(place)).toMatchObject({ given: "'admin' (descriptor 4)" });
    await expect(pools.visit({ path: join(place.runDir, 'a.sock') })).rejects.toThrow('ECONNREFUSED');
    await pools.endPool(place, pool);
  });
});
