// Asks a pool's status socket, as an exporter does.
import { fastcgiRequest, type FastcgiTarget } from './fastcgi-client.ts';

/** What it answers to GET /status?QUERY, without its header. */
export async function askStatus(target: FastcgiTarget, query = ''): Promise<string> {
  const { body } = await askStatusFor(target, { SCRIPT_NAME: '/status', QUERY_STRING: query });
  return body;
}

export async function askStatusFor(
  target: FastcgiTarget,
  params: Record<string, string>,
): Promise<{ header: string; body: string }> {
  const all = { SCRIPT_FILENAME: '/status', REQUEST_METHOD: 'GET', ...params };
  const { stdout, protocolStatus } = await fastcgiRequest(target, all);
  if (protocolStatus !== 0) throw new Error(`refused: ${protocolStatus}`);
  const end = stdout.indexOf('\r\n\r\n');
  return { header: stdout.slice(0, end), body: stdout.slice(end + 4) };
}

/** php-fpm's facts, as ?json has them. */
export async function askFacts(target: FastcgiTarget): Promise<Record<string, unknown>> {
  return JSON.parse(await askStatus(target, 'json')) as Record<string, unknown>;
}
