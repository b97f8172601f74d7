// The two management records that a readiness probe needs (FastCGI specification,
// sections 4.1 and 4.2). Bytes only.
import { encodeRecord, headerBytes, version } from './record.ts';

const getValues = 9;
const getValuesResult = 10;
const unknownType = 11;
const question = 'FCGI_MPXS_CONNS';

/**
 * FCGI_GET_VALUES with one name and no value: every application must answer it in some way. An
 * empty record follows, since libfcgi reads the names like a stream, up to its end.
 */
export function encodeGetValues(): Buffer {
  const pair = Buffer.concat([Buffer.of(question.length, 0), Buffer.from(question)]);
  return Buffer.concat([pair, Buffer.alloc(0)].map((content) => encodeRecord(getValues, 0, content)));
}

/** Whether the bytes so far are an answer; undefined: too few to say. */
export function isManagementAnswer(received: Buffer): boolean | undefined {
  if (received.length < headerBytes) return undefined;
  return received[0] === version && (received[1] === getValuesResult || received[1] === unknownType);
}
