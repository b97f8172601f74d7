// The command: reads its arguments, decides who supervises, and runs that. What a start throws is caught, printed and
// undone here.
import type { Config } from './core/config.ts';
import { exitStatus, SpawnFcgiError } from './core/errors.ts';
import { programWord } from './core/text/program-word.ts';
import { closeInherited, readCaller, readFront, readVariable, type Caller } from './sys/process/caller.ts';
import { closeOnExecAbove2, execInPlace } from './sys/process/exec-in-place.ts';
import { Front, leaveSession, tellFront } from './sys/process/front.ts';
import { attempt as attemptCall, libc } from './sys/libc/libc.ts';
import { findNativeProblem } from './sys/libc/native.ts';
import { ProcFs } from './sys/proc/proc-fs.ts';
import { countProcessors } from './sys/process/processors.ts';
import { setProcessName } from './sys/process/process-self.ts';
import { adjustArgument, undoArgument } from './sys/process/undo-guard.ts';
import { adjustSocket, undoStart } from './sys/process/undo-start.ts';
import { explainRefusal, suspectCommandLine, suspectSurroundings } from './start/report/explain-refusal.ts';
import { tellManagerOfFailure } from './start/report/manager-report.ts';
import { keepSyslogInReach, reportFailure } from './start/report/failure-report.ts';
import { explainFileLimit } from './start/file-limit.ts';
import { chooseGiven, descriptorsOf, numberOf, offeredBy, type Choice } from './start/choose-given.ts';
import { takeGiven } from './start/take-given.ts';
import { passOn, readOffer, withoutActivation, type PassedOn } from './sys/socket/offered-sockets.ts';
import { parseConfig } from './command-line/parse-config.ts';
import { readCommandLine } from './command-line/read-command-line.ts';
import type { Request, StartRequest } from './command-line/request.ts';
import { requireUtf8 } from './command-line/require-utf8.ts';
import { takeLogDescriptor } from './start/steps/open-event-log.ts';
import { takeNotifyDescriptor } from './start/steps/notify-descriptor.ts';
import { takeOutputStreams } from './start/steps/open-output.ts';
import { backgroundPlan, foregroundPlan, inPlacePlan, unsupervisedPlan } from './start/model-plans.ts';
import { printBlindly, printError, printFailure, printHint, printText } from './start/report/print.ts';
import { runInPlace } from './run/run-exec.ts';
import { runSupervised } from './run/run-supervised.ts';
import { runUnsupervised } from './run/run-unsupervised.ts';
import type { Given } from './start/start-given.ts';
import { StartJournal } from './start/start-journal.ts';
import { describeUsage, versionText } from './command-line/usage.ts';
import { Interruption } from './start/watch-interruption.ts';

// The guard of a start runs us without the front; users cannot.
const guardsWork = process.env['SPAWN_FCGI_GUARD'] === undefined ? undefined : process.argv[2];
const nativeProblem = findNativeProblem();
if (nativeProblem) {
  printBlindly(nativeProblem);
  exit({ front: readFront() }, nativeProblem.exitCode);
} else if (!isInPlaceBundle && guardsWork === undoArgument) undoStart();
else if (!isInPlaceBundle && guardsWork === adjustArgument) adjustSocket();
else void main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  const front = readFront();
  const journal = new StartJournal();
  // Until the command line says another: only the front is sure not to have seen -n.
  const attempt: Attempt = { name: undefined, isBackground: front !== undefined, manager: undefined };
  const fail = (thrown: unknown): void => {
    const error = explainFileLimit(thrown);
    journal.undo();
    printFailure(error);
    const status = error instanceof SpawnFcgiError ? error.exitCode : exitStatus.failed;
    if (attempt.isBackground) reportFailure(attempt.name);
    tellManagerOfFailure(attempt.manager, status, error);
    exit({ front }, status);
  };
  // Also for what a timer or a signal brings. The front's own does not know what was made.
  process.removeAllListeners('uncaughtException').on('uncaughtException', fail);
  try {
    closeOnExecAbove2();
    const caller = readCaller();
    const { standIn } = caller;
    if (standIn !== undefined) attemptCall(() => libc.waitpid(standIn, null, 0));
    await run(args, caller, journal, attempt);
  } catch (thrown) {
    fail(thrown);
  }
}

/** What is known of a start by the time it fails. */
interface Attempt {
  name: string | undefined;
  isBackground: boolean;
  /** Where a service manager listens, whose unit this start is. */
  manager: string | undefined;
}

async function run(
  args: readonly string[],
  caller: Caller,
  journal: StartJournal,
  attempt: Attempt,
): Promise<void> {
  if (args.length === 0) {
    printText(describeUsage());
    return exit(caller, exitStatus.refused);
  }
  const posixlyCorrect = readVariable(caller.environment, 'POSIXLY_CORRECT') !== undefined;
  const request = readCommandLine(args, posixlyCorrect, caller.encodeAll);
  if (request.kind !== 'start') return show(request, caller);
  const { foreground, supervise, replace } = request.options;
  attempt.isBackground = foreground !== true && supervise !== false;
  // A unit whose pool is taken over by a command of its own runs on.
  if (replace !== true) attempt.manager = readVariable(caller.environment, 'NOTIFY_SOCKET');
  try {
    await prepare(request, args, caller, journal, attempt);
  } catch (error) {
    throw explainRefusal(error, request, args, caller);
  }
}

async function prepare(
  request: StartRequest,
  args: readonly string[],
  caller: Caller,
  journal: StartJournal,
  attempt: Attempt,
): Promise<void> {
  requireUtf8(request.options, caller.encodeValue);
  const offer = readOffer(caller.front);
  const isRoot = process.getuid?.() === 0;
  const config = parseConfig(request.options, request.program, isRoot, offeredBy(offer), countProcessors);
  attempt.name = config.name;
  if (process.getuid?.() !== 0 && process.getuid?.() !== process.geteuid?.()) {
    throw new SpawnFcgiError("Are you nuts? Don't apply a SUID bit to this binary");
  }
  const needsFront = config.model === 'background' || config.model === 'unsupervised';
  if (needsFront && caller.front === undefined)
    return startAgainBehindFront(args, caller, passOn(offer, numberOf(config.listen)));
  if (isInPlaceBundle && config.model !== 'exec') {
    // Asked for by bin/spawn-fcgi as soon as this bundle pauses, which it has not done up to here.
    leaveToWholeBundle();
    return;
  }
  const suspicions = [...suspectCommandLine(request, args), ...suspectSurroundings(config, caller)];
  [...config.hints, ...suspicions].forEach(printHint);
  await start(config, withoutActivation(caller, offer), journal, chooseGiven(config.listen, offer));
}

function show(request: Exclude<Request, StartRequest>, caller: Caller): void {
  printText(request.kind === 'version' ? versionText : describeUsage());
  exit(caller, exitStatus.ok);
}

async function start(config: Config, caller: Caller, journal: StartJournal, choice: Choice): Promise<void> {
  const logDescriptor = takeLogDescriptor(config, caller);
  const outputStreams = takeOutputStreams(config, caller, logDescriptor);
  const notifyDescriptor = takeNotifyDescriptor(config, caller);
  if (caller.front !== undefined) {
    leaveSession();
    closeInherited(caller.front, descriptorsOf(choice));
  }
  const given = takeGiven(choice);
  const kept = choice.kept.map(({ descriptor }) => descriptor);
  const proc = ProcFs.open();
  const front = proc && caller.front !== undefined ? new Front(proc, caller.front) : undefined;
  const interruption = watchInterruption(config, caller, journal, front);
  // From now on killall finds this process, and its signals find handlers.
  if (!isInPlaceBundle && (config.model === 'background' || config.model === 'foreground'))
    takeProgramsName(config, caller);
  keepSyslogInReach(config);
  const taken = { given, kept, logDescriptor, outputStreams, notifyDescriptor };
  await carryOut({ config, caller, journal, proc, ...taken, interruption }, front);
  // Last, so that no signal finds its default action; handlers wait for this tick to end.
  interruption.stop();
}

function watchInterruption(
  { model, name }: Config,
  caller: Caller,
  journal: StartJournal,
  front: Front | undefined,
): Interruption {
  return new Interruption({
    front,
    meansOrphans: model === 'foreground',
    earlier: caller.interruptedBy,
    interrupted(reason) {
      journal.undo();
      printError(reason);
      if (model === 'background') reportFailure(name);
      // A supervisor in the foreground was asked to stop, and stops.
      exit(caller, model === 'foreground' ? exitStatus.ok : exitStatus.failed);
    },
  });
}

/** The steps of the model, and then its workers. */
async function carryOut(
  given: Given & { readonly interruption: Interruption },
  front: Front | undefined,
): Promise<void> {
  const { config, interruption } = given;
  if (isInPlaceBundle || config.model === 'exec') await becomeProgram(given);
  else if (config.model === 'unsupervised') runUnsupervised(await unsupervisedPlan(config).run(given), front);
  else {
    const plan = config.model === 'background' ? backgroundPlan(config) : foregroundPlan(config);
    runSupervised(await plan.run(given), front, interruption.reason);
  }
}

async function becomeProgram(given: Given): Promise<never> {
  const made = await inPlacePlan(given.config).run(given);
  // Signals that were kept until here end the start, before the program that would never hear of them.
  if (given.caller.interruptedBy !== undefined) await new Promise((resolve) => setImmediate(resolve));
  return runInPlace(made);
}

/** In the bytes that the program itself is given: Node replaced what is not UTF-8. */
function takeProgramsName({ argv0, program }: Config, caller: Caller): void {
  const isShell = program.kind === 'shell';
  const words = isShell ? [caller.encodeValue(program.command)] : caller.encodeAll(program.argv);
  const isOwn = argv0 === programWord(program);
  const [first = Buffer.alloc(0)] = words;
  const command = first.toString('latin1');
  const word = isShell ? Buffer.from(programWord({ kind: 'shell', command }), 'latin1') : first;
  setProcessName(isOwn ? word : Buffer.from(argv0), words);
}

/** The front took an argument for -n that is none: this process becomes the front again, and knows better. */
function startAgainBehindFront(
  args: readonly string[],
  caller: Caller,
  { entry, descriptors }: PassedOn,
): never {
  const command = { path: '/bin/sh', argv: ['sh', process.argv[1] ?? '', ...caller.encodeAll(args)] };
  const environment = [
    ...caller.environment,
    Buffer.from(`SPAWN_FCGI_MODE=background ${process.pid}`),
    entry,
  ];
  const errno = execInPlace(command, environment, caller.fileLimit, descriptors);
  throw new SpawnFcgiError(`cannot execute /bin/sh: ${libc.strerror(errno)}`, { exitCode: errno });
}

function exit(caller: Pick<Caller, 'front'>, status: number): void {
  if (caller.front !== undefined) tellFront(status);
  process.exit(status);
}
