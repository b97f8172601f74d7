// A bounded stream of page views from a few clients at once, and what became of each (test/helpers/web/ledger.ts does it for the echo
// programs).
import { send, type Message, type Reply } from '../web/index.ts';

export interface StreamLedger {
  /** Requests with the right answer. */
  answered: number;
  /** PIDs that gave them. */
  pids: Set<number>;
  /** One line per request without it. */
  lost: string[];
}

export interface RequestStream {
  ledger: StreamLedger;
  /** Requests that have ended, one way or the other. */
  ended(): number;
  /** Sends no further request; resolves when those under way have ended. */
  stop(): Promise<StreamLedger>;
  /** Resolves when all requests have ended. */
  finished: Promise<StreamLedger>;
}

/** What is sent, and how to tell which process has answered it. */
export interface Conversation {
  messageNumber(n: number): Message;
  /** Undefined if the reply is not the right one. */
  answeringPid(reply: Reply, message: Message): number | undefined;
}

/** As many requests are under way at once. */
export const CLIENTS = 3;

/** Sends at most `requests` requests. */
export function startStream(port: number, requests: number, conversation: Conversation): RequestStream {
  const ledger: StreamLedger = { answered: 0, pids: new Set(), lost: [] };
  let [sent, limit] = [0, requests];

  async function runClient(): Promise<void> {
    while (sent < limit) {
      sent += 1;
      await sendOne(port, conversation.messageNumber(sent), ledger, conversation);
    }
  }

  const finished = Promise.all(Array.from({ length: CLIENTS }, runClient)).then(() => ledger);
  return {
    ledger,
    ended: () => ledger.answered + ledger.lost.length,
    stop: () => {
      limit = 0;
      return finished;
    },
    finished,
  };
}

async function sendOne(
  port: number,
  message: Message,
  ledger: StreamLedger,
  conversation: Conversation,
): Promise<void> {
  const reply = await send(port, message);
  const pid = conversation.answeringPid(reply, message);
  if (pid === undefined) {
    ledger.lost.push(`${message.query}: ${reply.status} ${reply.body.slice(0, 200)}`);
  } else {
    ledger.answered += 1;
    ledger.pids.add(pid);
  }
}
