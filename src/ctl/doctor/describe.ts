// Words that several checks have for the same things.
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { Permissions } from '../../core/file-access.ts';
import { shellQuote } from '../../core/text/shell-quote.ts';
import { nameOf } from '../../sys/process/accounts.ts';
import type { Listener } from '../../sys/socket-state/listener-look.ts';
import type { Patient, ServerPass } from './patient.ts';
import type { WebServer } from './web-server/find-web-servers.ts';

/** `/etc/nginx/site.conf:12 (nginx, PID 812): fastcgi_pass 127.0.0.1:9000`. */
export function describePass({ place, text, server }: ServerPass): string {
  return `${place} (${describeServer(server)}): ${text}`;
}

export function describeServer({ kind, pid }: WebServer): string {
  return pid === undefined ? `${kind}, which is not seen to run` : `${kind}, PID ${pid}`;
}

export function describeListeners(listeners: readonly Listener[]): string[] {
  return listeners.map(({ processes }) => {
    if (processes.length === 0) return 'somebody listens there whose processes may not be looked into';
    const [first, ...others] = processes;
    const more = others.length === 0 ? '' : ` and ${others.length} more`;
    return `PID ${first?.pid} (${first?.name}, ${userName(first?.uid)})${more} listens there`;
  });
}

export function userName(uid: number | undefined): string {
  return uid === undefined ? 'an unknown user' : nameOf(uid, 'passwd');
}

export function describePermissions({ uid, gid, mode }: Permissions): string {
  return `mode ${octal(mode)}, ${nameOf(uid, 'passwd')}:${nameOf(gid, 'group')}`;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** As spawn-fcgi's options have it. */
export function optionsOf(address: BoundAddress): string {
  if (address.kind === 'tcp') return `-a ${address.ip} -p ${address.port}`;
  return address.kind === 'unix' ? `-s ${shellQuote(address.path)}` : '--listen-fd NAME';
}

/** As nginx's fastcgi_pass has it. */
export function nginxName(address: BoundAddress): string {
  return address.kind === 'unix' ? `unix:${address.path}` : formatAddress(address);
}

/** How spawn-fcgictl is told which pool is meant. */
export function targetOf(patient: Patient): string {
  return shellQuote(patient.addressText ?? patient.name);
}
