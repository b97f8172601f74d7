// The page of spawn-fcgictl and its -h say what it does: every command, every exit status.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseArguments } from '../../src/ctl/program.ts';
import { ctlStatus } from '../../src/ctl/statuses.ts';
import * as protocol from '../../src/control/protocol.ts';
import { examplePool, exampleWorker } from '../helpers/models/index.ts';
import { tableUnder } from '../helpers/pages/index.ts';

test('the page of spawn-fcgictl has a row for every exit status, and its -h names them', () => {
  const rows = tableUnder('spawn-fcgictl', 'Exit statuses of spawn-fcgictl').map((row) => row[1]);
  const used = [ctlStatus, protocol.statusOfError, protocol.statusOfReload].flatMap((statuses) =>
    Object.values<number>(statuses),
  );
  expect(new Set(rows)).toEqual(new Set(used.map(String)));
  const [, help] = usageOfCtl().split('Exit status:');
  for (const status of used) expect(help).toMatch(new RegExp(`\\b${status}\\b`));
});

test('the page of spawn-fcgictl has a row for every command', () => {
  const rows = tableUnder('spawn-fcgictl', 'spawn-fcgictl').map((row) => /`(\w+)/.exec(row[1] ?? '')?.[1]);
  const commands = [...usageOfCtl().matchAll(/^ {2}(\w+) [<[]/gm)].map((match) => match[1]);
  expect(rows).toEqual(commands.filter((command) => command !== 'help'));
});

function usageOfCtl(): string {
  const parsed = parseArguments(['-h']);
  return parsed.kind === 'text' ? parsed.text : '';
}

/** What a feature may add, too: tsc asks for it here. */
const everyField: Required<protocol.PoolStatus> = {
  ...examplePool(),
  given: 'descriptor 0',
  kept: 0,
  socketHolders: [],
  log: { kind: 'syslog' },
  output: { target: 'null', files: [], program: null },
  scaling: { min: 2, max: 8, processors: null, last: null, note: null },
  replaced: { 'max-age': 1 },
  spares: { wanted: 0, isPossible: true, workers: [] },
  counts: { restarts: {}, reloads: {} },
  statusSocket: { address: '/run/php.status', file: 'ours' },
  peaks: { queue: 0, active: 0 },
  slowRequests: 0,
  stuckRequests: 0,
  workers: [],
};
const everyFieldOfWorkers: Required<protocol.WorkerStatus> = {
  ...exampleWorker(),
  requestAgeMs: null,
  replaced: null,
};

test.each(Object.keys({ ...everyField, ...everyFieldOfWorkers }))(
  'the page of the control protocol shows the field %s',
  (name) => {
    const page = readFileSync(new URL('../../docs/internals/control-protocol.md', import.meta.url), 'utf8');
    expect(page.split('## `pool`')[1]?.split('```')[1]).toContain(`"${name}":`);
  },
);
