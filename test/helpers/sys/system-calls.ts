// What of src/sys its tests call to bring something about, or to look at it; what a test is about it imports itself.
export { DescriptorLender } from '../../../src/sys/connection/descriptor-lender.ts';
export { libc } from '../../../src/sys/libc/libc.ts';
export { addressOf } from '../../../src/sys/libc/memory.ts';
export { O_PATH } from '../../../src/sys/path/file-at.ts';
export { readinessOf } from '../../../src/sys/proc/waiting.ts';
export { SessionFreezer } from '../../../src/sys/session/session-freeze.ts';
export { workerSessions } from '../../../src/sys/session/worker-sessions.ts';
export { acceptQueue } from '../../../src/sys/socket-state/accept-queue.ts';
export { resetOptions } from '../../../src/sys/socket-state/listener-options.ts';
export { rawOption, setRawOption } from '../../../src/sys/socket-state/socket-facts.ts';
export { listenOn, type ListenSocket } from '../../../src/sys/socket/listen-socket.ts';
export { isNonBlocking, setNonBlocking } from '../../../src/sys/socket/non-blocking.ts';
export { parseIp, type SocketAddress } from '../../../src/sys/socket/socket-address.ts';
export { openBoundFile } from '../../../src/sys/socket/socket-file.ts';
