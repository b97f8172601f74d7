// What is known of an answer while it passes: its header, and how much there was of it. With JSON: its beginning, too.
import { CgiHeaderReader, type CgiHeader } from '../../fastcgi/cgi-header.ts';
import type { AnswerTaker } from '../../fastcgi/answer.ts';
import { KeptText, sinkFor, type Sink } from './answer-output.ts';
import type { Times } from './exchange.ts';
import type { Verdict } from './judge-outcome.ts';

/** Of each stream, in JSON. */
const maxKept = 64 * 1024;

export class AnswerReport implements AnswerTaker {
  readonly #headerReader = new CgiHeaderReader();
  readonly #out: Sink;
  readonly #err: Sink;
  #stdoutBytes = 0;
  #stderrBytes = 0;

  /** To our own stdout and stderr, unless told otherwise. */
  constructor(out: Sink = sinkFor(1), err: Sink = sinkFor(2)) {
    this.#out = out;
    this.#err = err;
  }

  stdout(piece: Buffer): void {
    this.#headerReader.push(piece);
    this.#stdoutBytes += piece.length;
    this.#out.write(piece);
  }

  stderr(piece: Buffer): void {
    this.#stderrBytes += piece.length;
    this.#err.write(piece);
  }

  end(): void {
    this.#out.end();
    this.#err.end();
  }

  get header(): CgiHeader | undefined {
    return this.#headerReader.header;
  }

  get stdoutBytes(): number {
    return this.#stdoutBytes;
  }

  get stderrBytes(): number {
    return this.#stderrBytes;
  }
}

/** Keeps the answer, as far as JSON has it, and prints nothing. */
export class AnswerRecord extends AnswerReport {
  readonly #body: KeptText;
  readonly #complaints: KeptText;

  constructor() {
    const [out, err] = [new KeptText(maxKept), new KeptText(maxKept)];
    super(out, err);
    this.#body = out;
    this.#complaints = err;
  }

  /** One object; docs/spawn-fcgictl.md has its fields. */
  toJson(address: string, verdict: Verdict, times: Times): Readonly<Record<string, unknown>> {
    const { header } = this;
    return {
      address,
      ...verdict,
      status: header?.status ?? null,
      reason: header?.reason ?? null,
      headers: header?.fields ?? null,
      body: this.#body.bytes.subarray(header?.length ?? 0).toString(),
      stderr: this.#complaints.bytes.toString(),
      stdoutBytes: this.stdoutBytes,
      stderrBytes: this.stderrBytes,
      isCut: Math.max(this.stdoutBytes, this.stderrBytes) > maxKept,
      connectedMs: roundTime(times.connectedMs),
      firstByteMs: roundTime(times.firstByteMs),
      totalMs: roundTime(times.totalMs),
    };
  }
}

/** To the microsecond; null: it did not come to that. */
function roundTime(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1000) / 1000;
}
