// Asks a running supervisor what became of its socket's file, by the `ping` of the control protocol.
import { formatRequest } from '../../control/protocol.ts';
import { parseAnswer } from '../../control/parse-answer.ts';
import { pause } from '../../sys/process/clock.ts';
import { ControlConnection } from '../../sys/connection/control-connection.ts';
import type { Standing } from '../../sys/socket/socket-file.ts';

const connectTimeoutMs = 2000;
const answerTimeoutMs = 5000;
const lookMs = 5;

/** Undefined: it does not answer, or is of a version that does not say. */
export async function askStanding(controlPath: string): Promise<Standing | undefined> {
  let connection: ControlConnection | undefined;
  try {
    connection = ControlConnection.connect(controlPath, connectTimeoutMs);
    connection.send(formatRequest({ command: 'ping' }).trimEnd());
    const line = await receive(connection);
    const answer = line === undefined ? undefined : parseAnswer(line);
    if (answer?.kind !== 'result' || !answer.result.ok) return undefined;
    const { pool } = answer.result;
    // One that is where it was, in a directory that was moved away, leads nobody to it.
    const isLost = pool?.socketFile === 'ours' && typeof pool.unreachable === 'string';
    return isLost ? 'replaced' : (pool?.socketFile ?? undefined);
  } catch {
    return undefined;
  } finally {
    connection?.close();
  }
}

async function receive(connection: ControlConnection): Promise<string | undefined> {
  const deadlineMs = performance.now() + answerTimeoutMs;
  for (;;) {
    const received = connection.receiveLine(0);
    if (received === 'closed') return undefined;
    if (received !== 'timeout') return received.line;
    if (performance.now() > deadlineMs) return undefined;
    await pause(lookMs);
  }
}
