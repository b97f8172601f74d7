// `spawn-fcgictl doctor`: walks the way of a request and names the first thing that breaks it. Loaded only for this.
import { SpawnFcgiError } from '../../core/errors.ts';
import { ctlStatus } from '../statuses.ts';
import { printError, printText } from '../print/print-ctl.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { checks } from './checks.ts';
import type { DoctorOptions } from './doctor-command.ts';
import { findPatients } from './find-patients.ts';
import type { Patient } from './patient.ts';
import { formatDiagnoses, formatDiagnosesAsJson, type Diagnosis } from './report.ts';

type Request = DoctorOptions & { readonly timeoutMs: number | undefined };

/** Returns the exit status. */
export async function diagnose(request: Request, finder: PoolFinder, answerMs: number): Promise<number> {
  const patients = await findPatients(request, finder, request.timeoutMs ?? answerMs);
  if (patients.length === 0)
    throw new SpawnFcgiError('no pool of yours, and no web server that passes requests on, is known here', {
      exitCode: ctlStatus.noSuchPool,
    });
  const diagnoses: Diagnosis[] = [];
  for (const patient of patients)
    if (!isNamed(patient, diagnoses)) diagnoses.push(await examine(patient, request));
  printText(request.asJson ? formatDiagnosesAsJson(diagnoses) : formatDiagnoses(diagnoses, request.showsAll));
  if (request.showsAll && request.target === undefined && finder.hiddenCount > 0)
    printError(`not looked at: ${finder.hiddenCount} pools of other users`);
  return diagnoses.some(({ findings }) => findings.length > 0) ? ctlStatus.notServing : ctlStatus.ok;
}

/** Whether a pool's finding is about this very address, which nobody has. */
function isNamed({ pool, passes }: Patient, diagnoses: readonly Diagnosis[]): boolean {
  if (pool !== undefined) return false;
  const findings = diagnoses.flatMap((one) => one.findings);
  return findings.some(
    ({ check, says }) =>
      check === 'web-server-address' && passes.some(({ place }) => says.startsWith(`${place} `)),
  );
}

/** The first finding is enough, unless everything is wanted. */
async function examine(patient: Patient, { showsAll, asJson }: Request): Promise<Diagnosis> {
  const findings = [];
  for (const check of checks) {
    const finding = await check.look(patient);
    if (!finding) continue;
    findings.push({ check: check.name, ...finding });
    if (!showsAll && !asJson) break;
  }
  return { name: patient.name, address: patient.addressText ?? null, findings, unseen: patient.unseen };
}
