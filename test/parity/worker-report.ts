/**
 * Asks workers for their reports (test/fixtures/report-worker.c) and puts them
 * into a form that can be compared: no PIDs, the environment sorted.
 */
import { connect } from 'node:net';
import { waitFor } from '../helpers/machine/index.ts';
import type { WorkerReport } from './situation.ts';

export type Address = { path: string } | { host: string; port: number };

export interface IdentifiedReport {
  pid: number;
  parent: number;
  facts: WorkerReport;
}

/** One report; each worker answers once, so the next call reaches another one. */
export async function askWorker(address: Address): Promise<IdentifiedReport> {
  const text = await waitFor(`a report from ${JSON.stringify(address)}`, () => ask(address));
  return parseReport(text);
}

function ask(address: Address): Promise<string | false> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(address);
    socket.setTimeout(8_000, () => socket.destroy());
    socket.once('connect', () => socket.write('?'));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.once('error', () => undefined);
    socket.once('close', () => {
      resolve(text.endsWith('\nend\n') && text);
    });
  });
}

function parseReport(text: string): IdentifiedReport {
  const env: string[] = [];
  const facts: WorkerReport = {};
  for (const line of text.split('\n').slice(0, -2)) {
    const space = line.indexOf(' ');
    const key = space < 0 ? line : line.slice(0, space);
    const value = space < 0 ? '' : line.slice(space + 1);
    if (key === 'env') env.push(value);
    else facts[key] = value;
  }
  const { pid, ppid, ...comparable } = facts;
  return { pid: Number(pid), parent: Number(ppid), facts: { ...comparable, env: env.sort() } };
}
