// koffi and the C library of this process, loaded on the first call: an installation may lack them.
import { SpawnFcgiError } from '../../core/errors.ts';
import { loadKoffi, type Koffi } from './load-koffi.ts';

interface Native {
  readonly koffi: Koffi;
  readonly library: ReturnType<Koffi['load']>;
}

let loaded: Native | undefined;

export function native(): Native {
  if (loaded) return loaded;
  const koffi = loadKoffi();
  return (loaded = { koffi, library: koffi.load(null) });
}

/** Why nothing here can be called: an installation that lacks koffi's library for this machine, or cannot load it. */
export function findNativeProblem(): SpawnFcgiError | undefined {
  try {
    native();
    return undefined;
  } catch (error) {
    return error instanceof SpawnFcgiError ? error : new SpawnFcgiError(String(error));
  }
}
