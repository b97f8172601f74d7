// Whether SELinux or AppArmor refused a connection to the socket: by what audit wrote within the last hour, where it may be
// read.
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { BoundAddress } from '../../../core/pool-id.ts';
import { shellQuote } from '../../../core/text/shell-quote.ts';
import type { Check, Finding } from '../check.ts';
import type { Patient } from '../patient.ts';

export const policyChecks: readonly Check[] = [{ name: 'denied-by-policy', look: lookForDenial }];

/** Only the kernel and root write there; into others (syslog, messages) anybody's logger does. */
const logs = ['/var/log/audit/audit.log', '/var/log/kern.log'];
const mostBytes = 1024 * 1024;
const hourMs = 3_600_000;

function lookForDenial(patient: Patient): Finding | undefined {
  const { address, listeners } = patient;
  if (!address || (listeners.length === 0 && !patient.pool)) return undefined;
  const isForced = isEnforced();
  if (!isForced) return undefined;
  let isRead = false;
  for (const path of logs) {
    const text = readEnd(path);
    if (text === undefined) continue;
    isRead = true;
    const line = text.split('\n').findLast((one) => isDenial(one, address));
    if (line !== undefined) return describe(line, path, address);
  }
  if (!isRead) patient.unseen.push(`what ${isForced} has refused: no log of audit may be read`);
  return undefined;
}

function isEnforced(): string | undefined {
  if (readText('/sys/fs/selinux/enforce').trim() === '1') return 'SELinux';
  const isOn = readText('/sys/module/apparmor/parameters/enabled').trim() === 'Y';
  return isOn ? 'AppArmor' : undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** The end of a log; undefined: it is not there, or not ours to read. */
function readEnd(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, mostBytes));
    return buffer.toString('latin1', 0, readSync(descriptor, buffer, 0, buffer.length, size - buffer.length));
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function isDenial(line: string, address: BoundAddress): boolean {
  const isRefusal = /\bavc: +denied\b|apparmor="DENIED"/.test(line);
  const seconds = /\baudit\((\d+)\.\d+:\d+\)/.exec(line)?.[1];
  if (!isRefusal || seconds === undefined || Date.now() - Number(seconds) * 1000 > hourMs) return false;
  if (address.kind === 'tcp') return new RegExp(`\\bdest=${address.port}\\b`).test(line);
  const name = address.kind === 'unix' ? address.path : `@${address.name}`;
  const named = /\b(?:path|name)="([^"]*)"/.exec(line)?.[1];
  return named === name || (/\btclass=sock_file\b/.test(line) && named === basename(name));
}

function describe(line: string, path: string, address: BoundAddress): Finding {
  const program = /\bcomm="([^"]*)"/.exec(line)?.[1] ?? 'a program';
  const profile = /\bprofile="([^"]*)"/.exec(line)?.[1];
  const evidence = [`${path}: ${line.trim().slice(0, 400)}`];
  if (profile !== undefined)
    return {
      says: `AppArmor refuses the connection of ${program} (profile ${profile})`,
      fix: `add "${address.kind === 'unix' ? address.path : 'network'} rw," to the profile ${profile} in /etc/apparmor.d, then: apparmor_parser -r FILE`,
      evidence,
    };
  return {
    says: `SELinux refuses the connection of ${program}`,
    fix:
      address.kind === 'tcp'
        ? 'setsebool -P httpd_can_network_connect on (or semanage port -a -t http_port_t -p tcp PORT)'
        : `ausearch -m avc -ts recent | audit2why says which rule; a socket that web servers may use has the type httpd_var_run_t: semanage fcontext -a -t httpd_var_run_t ${shellQuote(address.kind === 'unix' ? address.path : '')}; restorecon`,
    evidence,
  };
}
