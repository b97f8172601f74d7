// Whether somebody here could listen on an IP address, or only on another machine, or in another network namespace.
import { networkInterfaces } from 'node:os';

/** True where nobody tells which addresses are ours. */
export function isOwnAddress(ip: string): boolean {
  if (/^(?:127\.|0\.0\.0\.0$|::1?$)/.test(ip)) return true;
  try {
    return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === ip));
  } catch {
    return true;
  }
}
