// The benchmark (npm run bench): ours beside 1.6, multiwatch, supervisord and an empty Node program, all
// measured in one run, judged by the budgets of the specification. Leaves no process and no file.
import { rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { basename, join } from 'node:path';
import { readProcess } from '../helpers/machine/processes.ts';
import { measureExec } from './measure-exec.ts';
import { measureIdle } from './measure-idle.ts';
import { measureMany } from './measure-many.ts';
import { measureReload } from './measure-reload.ts';
import { measureRespawn } from './measure-respawn.ts';
import { measureReturn } from './measure-return.ts';
import { measureStatus } from './measure-status.ts';
import { measureThroughput } from './measure-throughput.ts';
import { readOptions, usage, type Options, type PartName } from './options.ts';
import { missingPeers, packages, versionOf } from './peers.ts';
import { startSupervisor } from './pool.ts';
import { endAll, endWhatIsLeft } from './processes-started.ts';
import { judge, type Row } from './row.ts';
import { drawTable } from './table.ts';
import { rememberAllWorkers } from './worker-reports.ts';
import { createWorkplace, freshAddress, freshReports, type Workplace } from './workplace.ts';

type Measure = (place: Workplace, options: Options) => Promise<Row[]>;

const measures: Record<PartName, Measure> = {
  return: measureReturn,
  exec: measureExec,
  respawn: measureRespawn,
  idle: measureIdle,
  many: measureMany,
  status: measureStatus,
  reload: measureReload,
  throughput: measureThroughput,
};

/** "node -e 0" is fair only with the very Node that our command finds for itself. */
async function findOurNode(place: Workplace): Promise<string> {
  const wish = { address: await freshAddress(place, 'Unix'), workers: 1, reports: freshReports(place) };
  const supervisor = startSupervisor('ours', place, wish);
  const exe = readProcess(supervisor)?.exe;
  const workers = await wish.reports.waitForCount(1);
  await endAll([supervisor]);
  await endAll(workers.map(({ pid }) => pid));
  // With --command it need not be a Node program at all.
  return exe !== undefined && basename(exe).startsWith('node') ? exe : process.execPath;
}

function describeMachine(place: Workplace): Record<string, string> {
  const version = (name: '1.6' | 'multiwatch' | 'supervisord'): string =>
    place.peers[name]?.version ?? `not installed (Debian package ${packages[name]})`;
  return {
    kernel: release(),
    cpus: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    load: loadavg()
      .map((load) => load.toFixed(2))
      .join(' '),
    node: versionOf(place.node, '-v'),
    '1.6': version('1.6'),
    multiwatch: version('multiwatch'),
    supervisord: version('supervisord'),
  };
}

async function measureAll(place: Workplace, options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const part of options.parts) {
    process.stderr.write(`bench: measuring ${part}\n`);
    rows.push(...(await measures[part](place, options)));
  }
  return rows;
}

function report(place: Workplace, options: Options, rows: Row[]): void {
  const machine = describeMachine(place);
  const missing = missingPeers(place.peers);
  const facts = Object.entries(machine).map(([name, value]) => `${name}: ${value}`);
  process.stdout.write(`${drawTable(rows, new Set(missing))}\n\n${facts.join('\n')}\n`);
  if (missing.length > 0) process.stdout.write(`missing: ${missing.join(', ')}\n`);
  if (options.jsonFile === undefined) return;
  const judged = rows.map((row) => ({ ...row, judgements: row.budgets.map((budget) => judge(row, budget)) }));
  const content = { date: new Date().toISOString(), machine, missing, options, rows: judged };
  writeFileSync(options.jsonFile, `${JSON.stringify(content, null, 2)}\n`);
}

async function bench(options: Options): Promise<void> {
  const place = createWorkplace(options.command);
  const cleanUp = async (): Promise<void> => {
    rememberAllWorkers();
    await endWhatIsLeft();
    // Nobody replaces workers any more, but one may have been born meanwhile.
    rememberAllWorkers();
    await endWhatIsLeft();
    rmSync(place.dir, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void cleanUp().then(() => process.exit(1)));
  try {
    place.node = await findOurNode(place);
    report(place, options, await measureAll(place, options));
  } finally {
    await cleanUp();
  }
}

try {
  const options = readOptions(process.argv.slice(2), join(import.meta.dirname, '../../bin/spawn-fcgi'));
  if (options === undefined) process.stdout.write(usage);
  else await bench(options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
