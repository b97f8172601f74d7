// Whether the web server gets to the socket: what its configuration says, the directories on the way, mode and owner.
import { permission, permits } from '../../../core/file-access.ts';
import { formatAddress, type BoundAddress } from '../../../core/pool-id.ts';
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { nameOf } from '../../../sys/process/accounts.ts';
import { hasAccessList } from '../../../sys/path/file-at.ts';
import { wayTo, type PathFacts } from '../../../sys/path/way-to.ts';
import type { Check, Finding } from '../check.ts';
import * as words from '../describe.ts';
import { adviseOpening } from '../safe-advice.ts';
import type { Patient, ServerPass } from '../patient.ts';
import type { WebServer, WebUser } from '../web-server/find-web-servers.ts';

export const webServerChecks: readonly Check[] = [
  { name: 'web-server-address', look: lookAtAddress },
  { name: 'localhost', look: lookAtLocalhost },
  { name: 'web-server-directory', look: lookAtDirectories },
  { name: 'web-server-socket', look: lookAtSocketMode },
];

/** Nobody passes to the pool, and somebody to an address like its own that nobody has. */
function lookAtAddress(patient: Patient): Finding | undefined {
  const { address, pool, passes } = patient;
  if (!address || !pool || passes.length > 0) return undefined;
  // Where a variable or a name says it, it may be this pool.
  if (patient.allPasses.some(({ addresses }) => addresses.length === 0)) return undefined;
  const lost = patient.allPasses.find(({ addresses }) => {
    const [only] = addresses;
    return only && isAlike(only, address) && addresses.every((one) => patient.isDead(one));
  });
  if (!lost) return undefined;
  return {
    says: `${lost.place} passes requests to ${lost.addresses.map(formatAddress).join(' and ')}, where nobody listens, and nothing passes them to this pool`,
    fix: `write ${words.nginxName(address)} into ${lost.place}, and reload ${lost.server.kind}`,
    evidence: [words.describePass(lost), `the pool listens on ${formatAddress(address)}`],
  };
}

/** Of one kind; of sockets in files one with the same name, or in the same directory. */
function isAlike(one: BoundAddress, other: BoundAddress): boolean {
  if (one.kind !== 'unix' || other.kind !== 'unix') return one.kind === other.kind;
  const [a, b] = [one.path.split('/'), other.path.split('/')];
  return a.at(-1) === b.at(-1) || a.slice(0, -1).join('/') === b.slice(0, -1).join('/');
}

/** One name, two addresses, and the pool has one of them. */
function lookAtLocalhost(patient: Patient): Finding | undefined {
  const { address, passes } = patient;
  if (address?.kind !== 'tcp' || patient.listeners.length === 0) return undefined;
  const pass = passes.find(
    ({ addresses }) => addresses.length > 1 && addresses.some((one) => patient.isDead(one)),
  );
  if (!pass) return undefined;
  const dead = pass.addresses.filter((one) => patient.isDead(one)).map(formatAddress);
  return {
    says: `${pass.place} passes requests to localhost, which is ${pass.addresses.map(formatAddress).join(' and ')}, and nobody listens on ${dead.join(' and ')}`,
    fix: `write the address instead of the name: ${formatAddress(address)} in ${pass.place}, and reload ${pass.server.kind}`,
    evidence: [words.describePass(pass), ...words.describeListeners(patient.listeners)],
  };
}

interface Visitor {
  readonly server: WebServer;
  readonly user: WebUser;
  /** Where its configuration names the socket; undefined: that cannot be read. */
  readonly pass: ServerPass | undefined;
}

/** Who has to get to the socket: those who pass to it; where a configuration cannot be read, whoever runs. */
function visitorsOf({ passes, facts }: Patient): Visitor[] {
  const named = passes.flatMap((pass) => {
    const { server } = pass;
    return server.user ? [{ server, user: server.user, pass }] : [];
  });
  if (passes.length > 0) return named;
  return facts.servers.flatMap((server) =>
    server.pid !== undefined && server.unread.length > 0 && server.user
      ? [{ server, user: server.user, pass: undefined }]
      : [],
  );
}

/** The first of those who must all get there, or the only one of those who perhaps should. */
function shutOut(patient: Patient, isShut: (user: WebUser) => boolean): Visitor | undefined {
  const visitors = visitorsOf(patient);
  const shut = visitors.filter(({ user }) => user.uid !== 0 && isShut(user));
  return shut.find(({ pass }) => pass) ?? (shut.length === visitors.length ? shut[0] : undefined);
}

function evidenceOf({ server, user, pass }: Visitor): string[] {
  const who = `${words.describeServer(server)}, runs as ${user.name} (uid ${user.uid}, groups ${user.gids.map((gid) => nameOf(gid, 'group')).join(' ')})`;
  return [who, ...(pass ? [words.describePass(pass)] : [])];
}

function lookAtDirectories(patient: Patient): Finding | undefined {
  const { address, listeners, pool } = patient;
  if (address?.kind !== 'unix' || listeners.length === 0) return undefined;
  const { directories, hidden } = wayTo(address.path);
  if (hidden !== undefined) {
    patient.unseen.push(`whether the web server can enter ${hidden}: we cannot ourselves`);
  }
  const closedTo = (user: WebUser): PathFacts | undefined =>
    directories.find((one) => !permits(one, user, permission.search) && !hasAccessList(one.path));
  const visitor = shutOut(patient, (user) => closedTo(user) !== undefined);
  const directory = visitor && closedTo(visitor.user);
  if (!directory || (pool?.isForeign === true && directory.uid !== pool.uid)) return undefined;
  const isOfGroup = directory.gid !== 0 && visitor.user.gids.includes(directory.gid);
  return {
    says: `${visitor.user.name}, as whom ${visitor.server.kind} runs, cannot enter ${directory.path} (${words.describePermissions(directory)}), and so not connect to ${address.path}`,
    fix: `${adviseOpening(address.path, directory, `chmod ${isOfGroup ? 'g' : 'o'}+x`)}, or take a directory that everybody may enter: -s /run/NAME.sock`,
    evidence: evidenceOf(visitor),
  };
}

function lookAtSocketMode(patient: Patient): Finding | undefined {
  const { address, listeners } = patient;
  if (address?.kind !== 'unix' || listeners.length === 0) return undefined;
  const { end } = wayTo(address.path);
  if (end?.kind !== 'socket' || hasAccessList(end.path)) return undefined;
  const visitor = shutOut(patient, (user) => !permits(end, user, permission.write));
  if (!visitor) return undefined;
  const { user, server } = visitor;
  const group = nameOf(user.gids[0] ?? 0, 'group');
  const path = shellQuote(end.path);
  const isOfGroup = user.gids.includes(end.gid);
  return {
    says: `${user.name}, as whom ${server.kind} runs, may not connect to ${end.path} (${words.describePermissions(end)}): to connect is to write`,
    fix: isOfGroup
      ? `${adviseOpening(address.path, end, 'chmod 0660')}, and -M 0660 for the next start`
      : `${adviseOpening(address.path, end, `chgrp ${group} ${path} && chmod 0660`)}, and -M 0660 -G ${group} for the next start`,
    evidence: evidenceOf(visitor),
  };
}
