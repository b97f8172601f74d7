// A service manager that listens as systemd does, and no more: it keeps what it is told, and by whom.
import { join } from 'node:path';
import { makeTempDir, waitFor } from '../machine/index.ts';
import { startForeground } from '../pool/index.ts';

/** One datagram. */
export interface Notice {
  pid: number;
  /** How many descriptors came with it. */
  descriptors: number;
  lines: string[];
}

export interface FakeManager {
  /** For NOTIFY_SOCKET. */
  address: string;
  notices(): Notice[];
  /** Waits for a datagram that has all of these lines: exactly, or from the beginning if they end in `…`. */
  hears(...lines: string[]): Promise<Notice>;
  /** Reads nothing any more, or goes on. */
  pause(): void;
  goOn(): void;
}

const script = `
import array, os, signal, socket, struct, sys
address = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind('\\0' + address[1:] if address[0] == '@' else address)
if address[0] == '/': os.chmod(address, 0o666)
print('ready', flush=True)
while True:
    data, extra, flags, sender = s.recvmsg(8192, 512)
    pid, count = 0, 0
    for level, kind, value in extra:
        if kind == 2: pid = struct.unpack('iii', value)[0]
        if kind == 1:
            descriptors = array.array('i', value)
            count = len(descriptors)
            for one in descriptors: os.close(one)
    print('\\t'.join([str(pid), str(count)] + data.decode().split('\\n')), flush=True)
`;

export async function startManager(how: { abstract?: boolean } = {}): Promise<FakeManager> {
  const dir = makeTempDir();
  const path = join(dir, 'notify');
  const address = how.abstract === true ? `@${path}` : path;
  const running = startForeground(['-c', script, address], { command: 'python3' });
  await waitFor('the service manager', () => running.stdout().startsWith('ready\n'));
  const notices = (): Notice[] =>
    running
      .stdout()
      .split('\n')
      .slice(1, -1)
      .map((line) => {
        const [pid, descriptors, ...lines] = line.split('\t');
        return { pid: Number(pid), descriptors: Number(descriptors), lines };
      });
  return {
    address,
    notices,
    hears: (...lines) =>
      waitFor(`the service manager to hear ${lines.join(', ')}`, () =>
        notices().findLast((notice) => lines.every((line) => notice.lines.some((one) => isLike(one, line)))),
      ),
    pause: () => process.kill(running.pid, 'SIGSTOP'),
    goOn: () => process.kill(running.pid, 'SIGCONT'),
  };
}

function isLike(line: string, wanted: string): boolean {
  return wanted.endsWith('…') ? line.startsWith(wanted.slice(0, -1)) : line === wanted;
}
