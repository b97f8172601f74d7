/** All that workers have been given, to be compared between an original and what convert has made of its configuration. */
import type { ExpectedPool } from './conversion-fixtures.ts';
import { type GivenReport, processFacts, socketFacts } from './given-facts.ts';

export interface CompleteFacts {
  process: Record<string, unknown>;
  socket: Record<string, unknown>;
  env: Record<string, string>;
  limits: Record<string, string>;
}

/** `without`: names of variables that only one of the two has, by its nature. */
export function completeFacts(pool: ExpectedPool, report: GivenReport, without: RegExp): CompleteFacts {
  const { fields, env } = report;
  const entries = Object.entries(fields);
  return {
    process: { ...processFacts(report), groups: fields['groups'] },
    socket: { ...socketFacts(pool, report) },
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !without.test(name))),
    limits: Object.fromEntries(entries.filter(([key]) => key.startsWith('limit.'))),
  };
}
