// FastCGI servers of a test's own process that do what the test says, and the command that asks them.
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { atEnd, makeTempDir } from '../machine/index.ts';
import { ctlPath } from '../pool/index.ts';

/** Of the specification, section 8. */
export const recordType = { begin: 1, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7 } as const;

/** A record as applications write it. */
export function record(
  type: number,
  content: string | Uint8Array,
  { id = 1, padding = 0 }: { id?: number; padding?: number } = {},
): Buffer {
  const bytes = Buffer.from(content as string);
  const header = Buffer.of(1, type, id >> 8, id & 0xff, bytes.length >> 8, bytes.length & 0xff, padding, 0);
  return Buffer.concat([header, bytes, Buffer.alloc(padding, 0x5a)]);
}

export function endRequest(appStatus = 0, protocolStatus = 0): Buffer {
  const content = Buffer.of(0, 0, 0, 0, protocolStatus, 0, 0, 0);
  content.writeUInt32BE(appStatus, 0);
  return record(recordType.end, content);
}

/** A whole answer. */
export function wholeAnswer(stdout: string | Uint8Array, stderr = '', appStatus = 0): Buffer {
  return Buffer.concat([
    record(recordType.stderr, stderr),
    record(recordType.stdout, stdout),
    record(recordType.stdout, ''),
    endRequest(appStatus),
  ]);
}

export interface ReceivedRequest {
  role: number;
  params: Record<string, string>;
  body: Buffer;
}

/** Takes a request apart; undefined as long as it is not whole. */
function readRequest(bytes: Buffer): ReceivedRequest | undefined {
  const streams: Record<number, Buffer[]> = {};
  let role = 0;
  for (let offset = 0; offset + 8 <= bytes.length;) {
    const [type, length] = [bytes.readUInt8(offset + 1), bytes.readUInt16BE(offset + 4)];
    const content = bytes.subarray(offset + 8, offset + 8 + length);
    offset += 8 + length + bytes.readUInt8(offset + 6);
    if (offset > bytes.length) return undefined;
    if (type === recordType.begin) role = content.readUInt16BE(0);
    if (type === recordType.stdin && length === 0)
      return {
        role,
        params: readPairs(Buffer.concat(streams[recordType.params] ?? [])),
        body: Buffer.concat(streams[recordType.stdin] ?? []),
      };
    (streams[type] ??= []).push(content);
  }
  return undefined;
}

function readPairs(content: Buffer): Record<string, string> {
  const pairs: Record<string, string> = {};
  let offset = 0;
  const readLength = (): number => {
    const first = content.readUInt8(offset);
    offset += first < 128 ? 1 : 4;
    return first < 128 ? first : content.readUInt32BE(offset - 4) - 0x8000_0000;
  };
  while (offset < content.length) {
    const [name, value] = [readLength(), readLength()];
    const end = offset + name + value;
    pairs[content.toString('utf8', offset, offset + name)] = content.toString('utf8', offset + name, end);
    offset = end;
  }
  return pairs;
}

/** Listens on a socket of its own; every connection is the test's to serve. Returns the path. */
export async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(makeTempDir(), 'server.sock');
  await listenOn(path, onConnection);
  return path;
}

export async function listenOn(
  where: string | { port: number; host: string },
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    atEnd(() => {
      socket.destroy();
    });
    onConnection(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where as string, resolve);
  });
  atEnd(() => {
    server.close();
  });
  return server;
}

/** A server that sends `bytes` when it has read the whole request, which it tells. */
export function replying(
  bytes: Buffer,
  tell: (request: ReceivedRequest) => void = () => undefined,
): (socket: Socket) => void {
  return (socket) => {
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const request = readRequest(received);
      if (!request) return;
      tell(request);
      socket.end(bytes);
    });
  };
}

export interface AskResult {
  status: number | undefined;
  stdout: Buffer;
  stderr: string;
}

/** Runs `spawn-fcgictl request`; its answer in bytes. */
export async function askServer(
  args: readonly string[],
  options: { input?: Uint8Array; env?: Record<string, string>; uid?: number; gid?: number } = {},
): Promise<AskResult> {
  const { input, ...rest } = options;
  const result = await execa(ctlPath, ['request', ...args], {
    reject: false,
    encoding: 'buffer',
    stripFinalNewline: false,
    timeout: 60_000,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...rest,
  });
  return {
    status: result.exitCode,
    stdout: Buffer.from(result.stdout),
    stderr: Buffer.from(result.stderr).toString(),
  };
}

/** What cgi-fcgi makes of the same request: it takes the parameters from its environment. */
export async function askWithCgiFcgi(
  address: string,
  args: readonly string[],
  body: Buffer,
): Promise<AskResult> {
  let request: ReceivedRequest | undefined;
  const path = await listen(replying(wholeAnswer('X: y\r\n\r\n'), (one) => (request = one)));
  await askServer([path, ...args], { input: body });
  const result = await execa('cgi-fcgi', ['-bind', '-connect', address], {
    reject: false,
    encoding: 'buffer',
    stripFinalNewline: false,
    input: body,
    extendEnv: false,
    env: { ...request?.params },
  });
  return {
    status: result.exitCode,
    stdout: Buffer.from(result.stdout),
    stderr: Buffer.from(result.stderr).toString(),
  };
}
