// What doctor prints: for each that was looked at the first finding alone, or with --all everything; or JSON.
import { printable } from '../../core/text/printable.ts';
import { printableJson } from '../print/printable.ts';
import type { Finding } from './check.ts';

export interface Diagnosis {
  /** What was looked at: a pool, or an address. */
  readonly name: string;
  readonly address: string | null;
  readonly findings: readonly (Finding & { readonly check: string })[];
  /** What could not be seen, and why. */
  readonly unseen: readonly string[];
}

/** Empty where nothing is wrong, and nothing else was asked for. */
export function formatDiagnoses(diagnoses: readonly Diagnosis[], showsAll: boolean): string {
  return diagnoses.flatMap((diagnosis) => linesOf(diagnosis, showsAll)).join('');
}

function linesOf({ name, findings, unseen }: Diagnosis, showsAll: boolean): string[] {
  const [first, ...further] = findings;
  const lines = first ? [`${name}: ${first.says}`, `fix: ${first.fix}`, ...first.evidence.map(indent)] : [];
  if (showsAll) {
    for (const { says, fix, evidence } of further)
      lines.push(`further: ${says}`, `  fix: ${fix}`, ...evidence.map((line) => indent(indent(line))));
    lines.push(...unseen.map((line) => `${first ? '' : `${name}: `}not seen: ${line}`));
  }
  return lines.map((line) => `${printable(line)}\n`);
}

function indent(line: string): string {
  return `  ${line}`;
}

export function formatDiagnosesAsJson(diagnoses: readonly Diagnosis[]): string {
  return `${printableJson(diagnoses)}\n`;
}
