// `--notify-fd N`: a newline on that descriptor when the pool is up, and its end, as s6 and dinit want it.
import { closeSync } from 'node:fs';
import type { Feature } from '../feature.ts';
import { writeWithin } from '../../sys/file/bounded-write.ts';

/** What a reader who does not read costs the start. */
const patienceMs = 1000;

/** The descriptor is ours from now on. */
export function notifyDescriptor(descriptor: number): Feature {
  return {
    up() {
      writeWithin(descriptor, Buffer.from('\n'), patienceMs);
      closeSync(descriptor);
    },
  };
}
