/**
 * A TCP port that nothing listens on, and that no other test gets: each test process
 * counts through a block of its own. Taken from below the ephemeral range, so that no
 * outgoing connection can grab it in between.
 */
import { createServer } from 'node:net';

const blockSize = 1500;
const blocks = 8;
const block = Number(process.env['VITEST_POOL_ID'] ?? 0) % blocks;
const blockStart = 20_000 + block * blockSize;

// A random begin keeps two runs on one machine apart for the most part.
let count = Math.floor(Math.random() * blockSize);

/** Another range, such as the privileged ports, is counted through as well. */
export async function freePort(first = blockStart, last = blockStart + blockSize - 1): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = first + (count++ % (last - first + 1));
    if (await canBind(port)) return port;
  }
  throw new Error('found no free port');
}

/** Binds the wildcard address, so that a user of any one address counts. */
function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '0.0.0.0', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
