// A step of a start: /dev/null, before any chroot, for what nobody is to read.
import { openSync } from 'node:fs';

export interface Nowhere {
  /** /dev/null, read and write. */
  readonly nowhere: number;
}

export function openNowhere(): Nowhere {
  return { nowhere: openSync('/dev/null', 'r+') };
}
