// Whether somebody listens at all, and where clients look for him: the PID file, the supervisor, the socket and its file.
import { realpathSync } from 'node:fs';
import type { PoolStatus } from '../../../control/protocol.ts';
import { formatAddress, type BoundAddress } from '../../../core/pool-id.ts';
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { wayTo } from '../../../sys/path/way-to.ts';
import { seesSameFile } from '../../../sys/proc/process-look.ts';
import { explainFailure } from '../../explain-outcome.ts';
import { describeDeath } from '../../status/dead-pool-text.ts';
import { isDeadPool } from '../../target/pools.ts';
import type { Check, Finding } from '../check.ts';
import * as words from '../describe.ts';
import { isElsewhere, type Patient } from '../patient.ts';

export const listenerChecks: readonly Check[] = [
  { name: 'pid-file', look: lookAtPidFile },
  { name: 'supervisor-killed', look: lookForSupervisor },
  { name: 'supervisor-silent', look: lookForAnswer },
  { name: 'not-up', look: lookAtPhase },
  { name: 'nobody-listens', look: lookForListener },
  { name: 'socket-file', look: lookAtSocketFile },
  { name: 'private-directory', look: lookForPrivateDirectory },
  { name: 'socket-spoiled', look: lookAtSocket },
];

function lookAtPidFile({ facts: { pidFile, pools } }: Patient): Finding | undefined {
  if (!pidFile) return undefined;
  const { path, problem } = pidFile;
  const known = pools.map(({ state }) => `${state.name} on ${state.address} has PID ${state.pid}`);
  const [only, ...others] = pools;
  const fix =
    only && others.length === 0
      ? `name the pool by its address (spawn-fcgictl status ${shellQuote(only.state.address)}); start it with -P ${shellQuote(path)} to have its PID there`
      : `start the pool with -P ${shellQuote(path)}, or name it by its address: spawn-fcgictl status lists them`;
  return { says: `the PID file leads to no pool: ${problem}`, fix, evidence: known };
}

function lookForSupervisor({ pool }: Patient): Finding | undefined {
  if (!pool || !isDeadPool(pool)) return undefined;
  const { state, orphans } = pool;
  return {
    says: `its supervisor (PID ${state.pid}) was killed, and its workers serve on alone: nobody replaces one that ends`,
    fix: `start it again with its own command: that takes the workers over, and cuts no request (spawn-fcgictl stop ${shellQuote(state.address)} ends them)`,
    evidence: [
      describeDeath(pool),
      ...orphans.map(({ slot, pid }) => `${slot === undefined ? 'spare' : `slot ${slot}`}: PID ${pid}`),
    ],
  };
}

function lookForAnswer(patient: Patient): Finding | undefined {
  const { pool, facts } = patient;
  const { outcome } = facts;
  if (!pool || !outcome || (outcome.kind === 'result' && outcome.result.ok)) return undefined;
  const { pid } = pool.state;
  if (outcome.kind === 'not-permitted') {
    patient.unseen.push('what its supervisor knows: its control socket is its owner’s alone');
    return undefined;
  }
  const why = outcome.kind === 'result' ? outcome.result.message : explainFailure(outcome, pool).message;
  const says = 'its supervisor does not answer';
  if (!patient.mayBelong(pid))
    return {
      says: `${says}, and PID ${pid}, which it names, is another user’s process`,
      fix: `nothing that root should do: the files of this pool are ${words.userName(pool.uid)}’s, in ${pool.base}`,
      evidence: [why],
    };
  return {
    says,
    fix: `look what it is at: cat /proc/${pid}/status; kill -9 ${pid} leaves the workers serving, and starting it again with its own command takes them over`,
    evidence: [why],
  };
}

function lookAtPhase(patient: Patient): Finding | undefined {
  const { status } = patient;
  if (!status || status.phase === 'serving') return undefined;
  const count = status.workers.filter(({ pid }) => pid !== null).length;
  return {
    says:
      status.phase === 'stopping'
        ? 'it is stopping, and lets nobody new in'
        : 'it is starting, and not up yet',
    fix:
      status.phase === 'stopping'
        ? `start it again: that waits for the end of the stop (at most ${status.stopTimeoutMs / 1000} s, --stop-timeout)`
        : `wait, or see what it waits for: spawn-fcgictl logs ${words.targetOf(patient)}`,
    evidence: [`its supervisor (PID ${status.pid}) says so; ${count} workers are there`],
  };
}

function lookForListener(patient: Patient): Finding | undefined {
  const { address, pool, listeners } = patient;
  if (!address || pool || !patient.proc || listeners.length > 0) return undefined;
  if (isElsewhere(address)) {
    patient.unseen.push(`who listens on ${formatAddress(address)}: that is no address of this machine`);
    return undefined;
  }
  const { passes } = patient;
  const [pass] = passes;
  const pools = likelyPools(patient, address);
  const meant = pools[0]?.state.address;
  const fix =
    pass && meant !== undefined
      ? `if ${meant} is meant, write that into ${pass.place} (${nginxLine(meant)}) and reload ${pass.server.kind}; else start the pool: spawn-fcgi ${words.optionsOf(address)} …`
      : `start the pool: spawn-fcgi ${words.optionsOf(address)} -- PROGRAM`;
  return {
    says: describeAbsence(address),
    fix,
    evidence: [
      ...passes.map(words.describePass),
      ...pools.map(({ state }) => `the pool ${state.name} listens on ${state.address}`),
    ],
  };
}

function nginxLine(address: string): string {
  return address.startsWith('/') ? `unix:${address}` : address;
}

/** Those that the address may have been meant for: all of its kind. */
function likelyPools({ facts }: Patient, address: BoundAddress) {
  const isOfFile = address.kind !== 'tcp';
  return facts.pools.filter(({ state }) => state.address.startsWith('/') === isOfFile);
}

function describeAbsence(address: BoundAddress): string {
  const name = formatAddress(address);
  if (address.kind !== 'unix') return `nobody listens on ${name}: connections are refused, which is a 502`;
  const { end, missing } = wayTo(address.path);
  if (missing !== undefined && missing !== address.path)
    return `there is no ${missing}, and so no socket ${name}: a web server finds no such file, which is a 502`;
  if (!end) return `there is no socket ${name}: a web server finds no such file, which is a 502`;
  return end.kind === 'socket'
    ? `nobody listens on the socket file ${name}, which somebody has left: connections are refused, which is a 502`
    : `${name} is no socket: connections are refused, which is a 502`;
}

function lookAtSocketFile(patient: Patient): Finding | undefined {
  const { status, listeners } = patient;
  const fate = status && fateOfFile(patient, status);
  if (!status || fate === undefined) return undefined;
  const { address, given } = status;
  const isGone = fate === 'gone';
  const fix =
    given !== undefined
      ? `whoever has opened the socket (${given}) has to open it again`
      : listeners.length > 0
        ? `end who listens there now, or give the pool another address; then: spawn-fcgictl restart ${words.targetOf(patient)}`
        : `spawn-fcgictl restart ${words.targetOf(patient)} binds it anew (where it may not: start the pool again with its own command)`;
  return {
    says: isGone
      ? `its socket file is gone: the workers wait, and nobody can connect`
      : `another file is in the place of its socket: nobody can connect to its workers`,
    fix,
    evidence: [
      `the supervisor (PID ${status.pid}) has bound ${address}, and ${isGone ? 'nothing is there' : 'what is there is not its socket'}`,
      ...words.describeListeners(listeners),
    ],
  };
}

/** A supervisor without its privileges may not get to where its file is: what we see counts for more. */
function fateOfFile(patient: Patient, { socketFile }: PoolStatus): 'gone' | 'replaced' | undefined {
  const { address, isReached, sharesMounts } = patient;
  if (socketFile === null || isReached) return undefined;
  if (socketFile !== 'ours') return socketFile;
  const isGone =
    sharesMounts === true && address?.kind === 'unix' && wayTo(address.path).missing !== undefined;
  return isGone ? 'gone' : undefined;
}

/** systemd's PrivateTmp and their like: the path means something else outside, or to the web server. */
function lookForPrivateDirectory(patient: Patient): Finding | undefined {
  return lookWhereItIs(patient) ?? lookWhereItIsAsked(patient);
}

function lookWhereItIsAsked(patient: Patient): Finding | undefined {
  const { address, listeners, passes } = patient;
  if (address?.kind !== 'unix' || listeners.length === 0) return undefined;
  const path = realPathOf(address.path);
  const pass = passes.find(
    ({ server: { pid } }) => pid !== undefined && path !== undefined && seesSameFile(pid, path) === false,
  );
  if (!pass) return undefined;
  const { kind } = pass.server;
  return {
    says: `${kind} has a directory of its own where the socket ${address.path} is, and does not see it (PrivateTmp=): it finds no such file, which is a 502`,
    fix: `take a directory that ${kind} sees as well, such as /run: -s /run/NAME.sock`,
    evidence: [words.describePass(pass)],
  };
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function lookWhereItIs({ status, address, pool }: Patient): Finding | undefined {
  if (status?.socketFile !== 'ours' || address?.kind !== 'unix' || pool?.isForeign === true) return undefined;
  const { end, hidden, missing } = wayTo(address.path);
  if (hidden !== undefined || end?.kind === 'socket') return undefined;
  return {
    says: `its socket is in a directory that only the pool sees: here there is no ${missing ?? 'socket'} (PrivateTmp=, a container)`,
    fix: `take a directory that the web server sees as well: -s /run/${status.name}.sock`,
    evidence: [`the supervisor (PID ${status.pid}) sees its socket at ${address.path}`],
  };
}

function lookAtSocket(patient: Patient): Finding | undefined {
  const { status } = patient;
  if (!status || typeof status.unreachable !== 'string' || status.phase !== 'serving') return undefined;
  if (status.socketFile !== 'ours' && patient.isReached) return undefined;
  return {
    says: `no client can reach it: ${status.unreachable}`,
    fix: `spawn-fcgictl restart ${words.targetOf(patient)} sets it right, or binds anew`,
    evidence: [`so says the supervisor (PID ${status.pid}), by what the kernel shows of its socket`],
  };
}
