// Reads the lines of a control socket's client: any bytes, of which each becomes a request or a refusal.
import { isCount, parseObject } from './json-fields.ts';
import { limits, protocolVersion, type ControlRequest, type RequestMistake } from './protocol.ts';
import { parseWorkersWord, toWorkersWord } from './workers-word.ts';

/**
 * Reads a request line; anything that is none gives the refusal to answer with. Fields that we do not know are ignored.
 * `isOfFeature` knows the commands of the pool's features.
 */
export function parseRequest(
  line: string,
  isOfFeature: (command: string) => boolean,
): ControlRequest | RequestMistake {
  const fields = parseObject(line);
  if (!fields || !isCount(fields['v']))
    return { error: 'malformed', message: 'not a request of one JSON object' };
  if (fields['v'] !== protocolVersion) {
    return { error: 'version', message: `protocol version ${protocolVersion}, not ${fields['v']}` };
  }
  const { v: _version, command, ...further } = fields;
  switch (command) {
    case 'ping':
    case 'status':
    case 'stop':
    case 'restart':
      return { command };
    case 'reload':
      return further['early'] === true ? { command, early: true } : { command };
    case 'scale':
      return parseScale(further['workers']);
    default:
      if (typeof command === 'string' && isOfFeature(command)) return { command, fields: further };
      return typeof command === 'string'
        ? { error: 'unknown-command', message: `unknown command '${command.slice(0, 40)}'` }
        : { error: 'malformed', message: 'a request has a command' };
  }
}

function parseScale(workers: unknown): ControlRequest | RequestMistake {
  const asked = parseWorkersWord(workers);
  if (asked) return { command: 'scale', workers: toWorkersWord(asked) };
  return {
    error: 'invalid',
    message: `workers is a number from 1 to ${limits.maxWorkers}, a difference such as "+1", or a range such as "2-8"`,
  };
}
