// Repeats an operation with a system call of it failing, and judges what comes of it: the command ends in time, says yes
// only of a pool that serves, else why not in lines of its own; a start that failed leaves nothing; a pool that ran runs, and
// answers; nobody is left as root; the next start works.
import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { readProcess, waitFor } from '../machine/index.ts';
import { ctl, filesOf, killAllOf, processesOf } from '../pool/index.ts';
import { chooseFaults, type NamedFault } from './fault-choice.ts';
import type { FaultyOperation } from './fault-operations.ts';
import type { Attempt, End } from './killed-operations.ts';
import { startIn, type PoolPlace, type Setting } from './killed-settings.ts';
import { answer, expectEnd, heal, namesOf } from './killed-verdict.ts';
import type { Step } from './step-tracer.ts';

const tablePath = process.env['SPAWN_FCGI_FAULTS_TABLE'];

/** Much of the time is spent waiting. */
const lanes = 4;
/** A stop may wait for --stop-timeout. */
const commandMs = 30_000;
const leftoversMs = 12_000;

/** How an operation ended with one of its calls failing, and what is wrong with that. */
interface Verdict {
  readonly outcome: string;
  readonly problems: readonly string[];
}

/** Outcomes of an operation, counted. */
export type FaultTally = Map<string, number>;

/** Faults of the operation with this number, all judged; what is wrong comes back. */
export async function injectFaults(
  operation: FaultyOperation,
  number: number,
): Promise<{ tally: FaultTally; failures: string[] }> {
  const left = chooseFaults(await recordCalls(operation), number);
  const files = await filesOfStopped(operation.setting);
  const [tally, failures] = [new Map<string, number>(), new Array<string>()];
  const work = async (): Promise<void> => {
    for (let fault = left.shift(); fault; fault = left.shift()) {
      tally.set('cases', (tally.get('cases') ?? 0) + 1);
      const what = `${operation.setting.name} | ${operation.name} | ${fault.name} #${fault.nth} | ${fault.error} ${fault.action}`;
      const { outcome, problems } = await judge(operation, fault, files);
      const result = problems.length > 0 ? `FAILED: ${problems.join('; ')}` : outcome;
      if (problems.length > 0) failures.push(`${what}: ${problems.join('; ')}`);
      for (const one of problems.length > 0 ? problems : [outcome]) {
        const kind = one.replace(/:.*/s, '');
        tally.set(kind, (tally.get(kind) ?? 0) + 1);
      }
      if (tablePath !== undefined)
        appendFileSync(tablePath, `| ${what} | ${result.replaceAll('\n', ' ')} |\n`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  return { tally, failures };
}

/** The calls of an undisturbed run. */
async function recordCalls(operation: FaultyOperation): Promise<Step[]> {
  const { place, tracer, ended } = await operation.begin({ action: 'list' });
  const { status, said, stderr } = await ended;
  await tracer.quiet();
  const { steps } = tracer;
  await tracer.end();
  clear(place);
  if (status !== 0) throw new Error(`undisturbed, ${said}: ${stderr}`);
  if (steps.length === 0) throw new Error('no call was seen, so that none would fail');
  return steps;
}

const filesBySetting = new Map<Setting, string>();

/** What a pool leaves when it is stopped. */
async function filesOfStopped(setting: Setting): Promise<string> {
  const known = filesBySetting.get(setting);
  if (known !== undefined) return known;
  const place = await setting.makePlace();
  const { pid } = await startIn(place);
  process.kill(pid, 'SIGTERM');
  await expectEnd(place);
  filesBySetting.set(setting, namesOf(place));
  return namesOf(place);
}

async function judge(operation: FaultyOperation, fault: NamedFault, files: string): Promise<Verdict> {
  const attempt = await operation.begin(fault);
  const problems: string[] = [];
  const check = async (what: string, look: () => Promise<unknown>): Promise<void> => {
    await look().catch((error: unknown) => {
      problems.push(`${what}: ${(error as Error).message}`);
    });
  };
  try {
    const end = await endOf(attempt);
    const hasFailed = attempt.tracer.hasArrived;
    await attempt.tracer.end();
    if (!end) return { outcome: '', problems: ['hangs'] };
    // The streams of a command that is run by a test are sockets: it may be them that cannot be written.
    const isHeard = fault.name !== 'write socket';
    if (end.status !== 0 && isHeard && !isAbort(end)) problems.push(...judgeWords(end));
    await check('does not serve', () => expectService(operation, attempt, end));
    await check('is not well', () => expectHealth(operation, attempt, end));
    if (operation.setting.drops) await check('root is left', () => expectNoRoot(attempt));
    // Workers without a supervisor are nobody's to stop.
    if (operation.kind === 'bare' && end.status === 0) killAllOf(attempt.place);
    if (end.status !== 0 && ['start', 'bare'].includes(operation.kind))
      await check('leaves something', () => expectNothing(attempt, fault));
    // It is true again with the next worker of the slot.
    const place = fault.name.includes('worker-') ? { ...attempt.place, workerPidFiles: [] } : attempt.place;
    // Without a control socket one file less stays where it could not be removed.
    const left = fault.name.includes('.ctl') ? undefined : files;
    await check('the next start', () => heal(place, operation, left));
    if (isAbort(end)) return { outcome: 'the runtime aborts', problems };
    return { outcome: hasFailed ? (end.status === 0 ? 'done' : 'refused') : 'not reached', problems };
  } finally {
    await attempt.tracer.end();
    clear(attempt.place);
  }
}

async function endOf({ ended }: Attempt): Promise<End | undefined> {
  let end: End | undefined;
  void ended.then((one) => (end = one));
  return waitFor('the end of the command', () => end, { timeoutMs: commandMs }).catch(() => undefined);
}

/** Node checks some of its own calls, and dumps its stack. */
function isAbort({ stderr }: End): boolean {
  return /^ +# .*\bnode::|^Aborted|ended by SIGABRT/m.test(stderr);
}

/** Lines of ours that name what failed; never a stack trace, nor a number instead of a reason. */
function judgeWords({ stderr, said }: End): string[] {
  const lines = stderr.split('\n').filter(Boolean);
  if (lines.length === 0) return [`says nothing: ${said}`];
  if (/^\s+at |^node:|^\S+\.cjs:/m.test(stderr)) return [`a stack trace: ${stderr}`];
  const foreign = lines.find((line) => !/^spawn-fcgi(?:ctl)?: /.test(line));
  if (foreign !== undefined) return [`a line of somebody else: ${foreign}`];
  return /Unknown error|(?:unexpected|internal) error|before it could say why/.test(stderr)
    ? [`says not what failed: ${stderr}`]
    : [];
}

async function expectService({ kind }: FaultyOperation, { place }: Attempt, { status }: End): Promise<void> {
  if (kind === 'change' || kind === 'adoption' || (status === 0 && kind !== 'stop')) await answer(place);
}

/** The supervisor of a pool that serves answers. */
async function expectHealth(
  { kind }: FaultyOperation,
  { place }: Attempt,
  { status, stderr }: End,
): Promise<void> {
  if (kind !== 'change' && !(kind === 'adoption' && status === 0)) return;
  // Said once, and the pool serves all the same.
  if (stderr.includes('spawn-fcgictl cannot reach this pool')) return;
  await waitFor('ping', async () => {
    const answered = await ctl(place.stateDir, ['ping', place.poolName], place.caller);
    return answered.status === 0;
  });
}

async function expectNoRoot({ place }: Attempt): Promise<void> {
  await waitFor('the end of everybody who is root', () => rootsOf({ place }).length === 0).catch(() => {
    throw new Error(JSON.stringify(rootsOf({ place })));
  });
}

function rootsOf({ place }: Pick<Attempt, 'place'>): string[] {
  return processesOf(place).flatMap(({ pid }) => {
    const found = readProcess(pid);
    return found?.status['Uid']?.split(/\s+/).includes('0') === true ? [found.args.join(' ')] : [];
  });
}

async function expectNothing({ place, supervisor }: Attempt, { name, action }: NamedFault): Promise<void> {
  const mayStay = (file: string): boolean =>
    // Empty, and nobody holds it: who removed it could take it from another start.
    (['stat .lock', 'flock .lock'].includes(name) && file.endsWith('.lock')) ||
    // Nobody can tell whose it is.
    (action === 'always' && name.startsWith('stat app.') && file.endsWith(name.slice('stat '.length)));
  const leftovers = (): string[] => allOf().filter((one) => !mayStay(one));
  const allOf = (): string[] => [
    ...processesOf(place).map(({ pid, comm }) => `${comm} ${pid}`),
    ...filesOf(place),
    ...stateOf(place),
    ...trialsOf(supervisor),
  ];
  await waitFor('nothing left', () => leftovers().length === 0, { timeoutMs: leftoversMs }).catch(() => {
    throw new Error(leftovers().join(' '));
  });
}

function clear(place: PoolPlace): void {
  killAllOf(place);
  for (const name of stateOf(place)) rmSync(`/run/spawn-fcgi/${name}`);
}

/** Of a pool that may not be told where to keep its state. */
function stateOf({ dir, target }: PoolPlace): string[] {
  const isIts = (name: string): boolean =>
    name.includes(dir.replaceAll('/', '%2F')) || ('port' in target && name.includes(`:${target.port}.`));
  return existsSync('/run/spawn-fcgi') ? readdirSync('/run/spawn-fcgi').filter(isIts) : [];
}

function trialsOf(pid: number): string[] {
  return existsSync('/tmp')
    ? readdirSync('/tmp').filter((name) => name.startsWith(`spawn-fcgi-trial-${pid}-`))
    : [];
}
