// The benchmark (npm run bench): ours beside 1.6, multiwatch, supervisord and an empty Node program, all
// measured in one run, judged by the budgets of the specification. Leaves no process and no file.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readOptions, usage, type Options } from './options.ts';
import { findOurNode } from './our-node.ts';
import { measureAll } from './parts.ts';
import { endWhatIsLeft } from './processes-started.ts';
import { report } from './report.ts';
import { rememberAllWorkers } from './worker-reports.ts';
import { createWorkplace } from './workplace.ts';

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
