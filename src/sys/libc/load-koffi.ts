// Finds koffi's library for this machine, or says what the installation lacks.
import { dirname, join } from 'node:path';
import type koffi from 'koffi';
import { SpawnFcgiError } from '../../core/errors.ts';

export type Koffi = typeof koffi;

/**
 * The prebuilt library itself where it fits: koffi's own loader reads Node's ELF
 * header and four more files first, which is most of its 12 ms. On musl, and
 * on other architectures, the loader chooses.
 */
export function loadKoffi(): Koffi {
  const file = `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;
  // Where npm puts it for a command; a project has it elsewhere, for require to find.
  const usual = join(dirname(__filename), '../node_modules', file);
  return tryOpening(usual) ?? requireKoffi(file);
}

function tryOpening(path: string): Koffi | undefined {
  const addon: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(addon, path);
    return addon.exports as Koffi;
  } catch {
    return undefined;
  }
}

function requireKoffi(file: string): Koffi {
  const require = process.getBuiltinModule('node:module').createRequire(__filename);
  try {
    return require(file) as Koffi;
  } catch (reason) {
    try {
      return withoutStreams(() => require('koffi') as Koffi);
    } catch {
      throw describeMissing(reason);
    }
  }
}

/** The first failure says more: the loader's own is of everything that it tried. */
function describeMissing(reason: unknown): SpawnFcgiError {
  const { code, message } = reason as { code?: string; message: string };
  const what = `the native part for linux-${process.arch}, npm's optional dependency @koromix/koffi-linux-${process.arch},`;
  const [firstLine] = message.split('\n');
  const how = code === 'MODULE_NOT_FOUND' ? 'is not installed' : `cannot be loaded: ${firstLine}`;
  return new SpawnFcgiError(`${what} ${how}`, {
    hints: ['install the package again with its optional dependencies: npm install --include=optional'],
  });
}

/**
 * koffi's loader touches process.stderr, which makes the caller's pipe non-blocking
 * for everybody who has it: it gets nothing to touch.
 */
function withoutStreams<T>(load: () => T): T {
  const streams = ['stdout', 'stderr'] as const;
  const kept = streams.map((name) => Object.getOwnPropertyDescriptor(process, name));
  for (const name of streams) Object.defineProperty(process, name, { configurable: true, value: {} });
  try {
    return load();
  } finally {
    streams.forEach((name, index) => {
      const descriptor = kept[index];
      if (descriptor) Object.defineProperty(process, name, descriptor);
    });
  }
}
