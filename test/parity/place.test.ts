// What the parity suite removes after a side: the state of its own pools, never that of others.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isRoot } from '../helpers/machine/index.ts';
import { forgetStateBases } from '../helpers/test-run/index.ts';
import { forgetState, type SidePlace } from './place.ts';

const base = '/run/spawn-fcgi';

describe.runIf(isRoot)('state that a side of the parity suite leaves', () => {
  test.for([
    ['127.0.0.1:65599.ctl', false],
    ['[::1]:65599.json', false],
    ['%2Fnowhere%2Fside%2Fapp.sock.json', false],
    ['%2Fnowhere%2Fside-2%2Fapp.sock.json', true],
    ['%2Fsrv%2Fapp:65599.sock.json', true],
    ['127.0.0.1:65598.json', true],
  ] as const)('%s stays: %s', ([name, stays]) => {
    const path = put(name);
    forgetState(place(new Set()));
    expect(existsSync(path)).toBe(stays);
  });

  test('what was there before the place was made stays', () => {
    const path = put('127.0.0.1:65599.json');
    forgetState(place(new Set([path])));
    expect(existsSync(path)).toBe(true);
  });
});

/** No port is above 65535, so that no pool has a file of these names. */
function place(stateOfOthers: ReadonlySet<string>): SidePlace {
  return { dir: '/nowhere/side', port: 65_599, lowPort: 65_600, workerProgram: '', stateOfOthers };
}

function put(name: string): string {
  mkdirSync(base, { recursive: true });
  const path = join(base, name);
  writeFileSync(path, '');
  onTestFinished(() => {
    rmSync(path, { force: true });
    forgetStateBases();
  });
  return path;
}
