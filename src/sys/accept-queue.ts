// TEMP
import type { ListenSocket } from './listen-socket.ts';
export function acceptQueue(_listening: ListenSocket): { length: number; backlog: number } | undefined {
  return undefined;
}
