// `--ready probe` in a reload: one worker of the new generation on a socket that only
// we know must answer before any worker of the pool is replaced.
import { closeSync } from 'node:fs';
import type { Prober, Sessions } from '../supervisor/interfaces.ts';
import { libc } from '../sys/libc.ts';
import { connectTo, listenPrivately } from '../sys/private-socket.ts';
import type { Releases } from '../sys/release.ts';
import { askWorker } from './ask-worker.ts';

const SIGTERM = 15;
const SIGKILL = 9;
const patienceMs = 1000;

interface Probe {
  readonly pid: number;
  readonly done: (refusal: string | undefined) => void;
  readonly stopAsking: () => void;
  /** Set once the verdict is known and only the worker's end is waited for. */
  verdict: { readonly refusal: string | undefined } | undefined;
  killTimer: NodeJS.Timeout | undefined;
}

export class ExtraWorkers implements Prober {
  readonly #releases: Releases;
  readonly #poolSocket: number;
  readonly #sessions: Pick<Sessions, 'signalLeftovers'>;
  readonly #describeErrno: (errno: number) => string;
  #probe: Probe | undefined;

  constructor(
    releases: Releases,
    poolSocket: number,
    sessions: Pick<Sessions, 'signalLeftovers'>,
    describeErrno: (errno: number) => string,
  ) {
    this.#releases = releases;
    this.#poolSocket = poolSocket;
    this.#sessions = sessions;
    this.#describeErrno = describeErrno;
  }

  probe(generation: number, timeoutMs: number, done: (refusal: string | undefined) => void): void {
    const listening = listenPrivately(this.#poolSocket);
    const result = this.#releases.spawnOn(generation, listening);
    if ('errno' in result) {
      closeSync(listening);
      const path = this.#releases.pathOf(generation);
      done(`exec of '${path}' failed: ${this.#describeErrno(result.errno)}`);
      return;
    }
    const connection = connectTo(listening);
    closeSync(listening);
    const stopAsking = askWorker(connection, timeoutMs, (refusal) => this.#conclude(refusal));
    this.#probe = { pid: result.pid, done, stopAsking, verdict: undefined, killTimer: undefined };
  }

  /** A child ended; true when it was the extra worker. */
  childEnded(pid: number): boolean {
    const probe = this.#probe;
    if (probe?.pid !== pid) return false;
    this.#probe = undefined;
    clearTimeout(probe.killTimer);
    // What it left of its session must not stay.
    this.#sessions.signalLeftovers([pid], 'SIGKILL');
    if (!probe.verdict) probe.stopAsking();
    probe.done(
      probe.verdict ? probe.verdict.refusal : `the extra worker (PID ${pid}) ended before it answered`,
    );
    return true;
  }

  cancel(): void {
    const probe = this.#probe;
    if (!probe) return;
    this.#probe = undefined;
    clearTimeout(probe.killTimer);
    probe.stopAsking();
    libc.kill(-probe.pid, SIGKILL);
  }

  /** The verdict is told once the worker is gone: there is never more than one too many. */
  #conclude(refusal: string | undefined): void {
    const probe = this.#probe;
    if (!probe || probe.verdict) return;
    probe.verdict = { refusal };
    libc.kill(-probe.pid, SIGTERM);
    probe.killTimer = setTimeout(() => libc.kill(-probe.pid, SIGKILL), patienceMs);
  }
}
