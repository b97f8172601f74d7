// An application as the suite of applications and web servers sees it: how it is installed, and what it is asked.
import type { Held } from '../web/index.ts';
import type { Shape } from './page-lines.ts';
import { ask, type Answer, type Question } from './exchange.ts';

/** "ok", or in a word or two what came instead. */
export type Verdict = string;
export const ok = 'ok';

export interface Tested {
  /** Its row's heading in the table. */
  name: string;
  /** Why it cannot run on this machine, if so. */
  missing: string | undefined;
  shape: Shape;
  /** So many that each server can have a request under way. */
  workers: number;
  /** Some stay open when the client has left, and nobody works on them. */
  forgetsConnections?: boolean;
  /** Puts the files into a directory that every user can read. */
  install(dir: string): Installation;
}

export interface Installation {
  /** The worker's command line. */
  command: readonly string[];
  env?: Record<string, string>;
  /** The document root, or SCRIPT_FILENAME. */
  path: string;
  /** A small page. */
  get(port: number): Promise<Verdict>;
  head(port: number): Promise<Verdict>;
  /** Sends 10 MB. */
  upload(port: number, key: string): Promise<Verdict>;
  /** Gets 5 MB. */
  download(port: number, key: string): Promise<Verdict>;
  /** A client that leaves in the middle of the answer is after this. */
  large: Question;
  /** And in the middle of this one's body. */
  upstream: Question & { body: Buffer };
  /** A request that stays under way; `key` is another one for each request at a time. */
  hold(port: number, key: string, workers: readonly number[]): Promise<Held<Verdict>>;
}

/** Asks and judges. */
export async function askAndJudge(
  port: number,
  question: Question,
  isRight: (answer: Answer) => boolean,
): Promise<Verdict> {
  const answer = await ask(port, question);
  if (answer.status === 0) return 'no answer';
  if (answer.status !== 200) return String(answer.status);
  return isRight(answer) ? ok : 'a wrong answer';
}
