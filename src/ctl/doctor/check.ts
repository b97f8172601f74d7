// What a check of doctor is, and what it says. A check is one row of a list in checks/; their order is in checks.ts.
import type { Patient } from './patient.ts';

export interface Finding {
  /** One sentence: what breaks the way of a request. */
  readonly says: string;
  /** One line: what to do about it. */
  readonly fix: string;
  /** What was seen, a line each. */
  readonly evidence: readonly string[];
}

export interface Check {
  /** As docs/troubleshooting.md and JSON call it. */
  readonly name: string;
  /** Looks, changes nothing; undefined: nothing wrong, or nothing to be seen. */
  look(patient: Patient): Finding | undefined | Promise<Finding | undefined>;
}
