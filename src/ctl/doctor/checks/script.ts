// Whether the program finds what it is asked for: scripts, their directory, bodies that are not cut; and, where it was asked
// for, one request.
import { permission, permits, type Visitor } from '../../../core/file-access.ts';
import { encodeHead, role } from '../../../fastcgi/request.ts';
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { credentialsOf } from '../../../sys/proc/credentials.ts';
import { hasAccessList } from '../../../sys/path/file-at.ts';
import { wayTo } from '../../../sys/path/way-to.ts';
import { AnswerRecord } from '../../request/answer-report.ts';
import { parametersFor } from '../../request/cgi-parameters.ts';
import { sendRequest } from '../../request/exchange.ts';
import { judgeOutcome } from '../../request/judge-outcome.ts';
import { serverOf, type ServerAddress } from '../../request/open-connection.ts';
import { openBody } from '../../request/request-body.ts';
import type { Check, Finding } from '../check.ts';
import * as words from '../describe.ts';
import { adviseOpening } from '../safe-advice.ts';
import { postLimitOf } from '../php-limits.ts';
import { isChrooted, wordsOfProgram } from '../own-command.ts';
import type { Patient, ServerPass } from '../patient.ts';
import type { NginxLocation } from '../web-server/pass.ts';

export const scriptChecks: readonly Check[] = [
  { name: 'script-filename', look: lookAtParameters },
  { name: 'document-root', look: lookAtRoot },
  { name: 'request', look: sendOne },
];

export const bodyChecks: readonly Check[] = [{ name: 'body-limit', look: lookAtBodies }];

interface ScriptPass extends ServerPass {
  readonly location: NginxLocation;
}

/** Programs that run the script which SCRIPT_FILENAME names. */
const interpreters = /^(?:php|lsphp|fcgiwrap)/;

/** What nginx passes on to such a program. */
function scriptPasses(patient: Patient): ScriptPass[] {
  const { pid } = interpreterOf(patient) ?? {};
  if (pid === undefined) return [];
  return patient.passes.flatMap((pass) => (pass.location ? [{ ...pass, location: pass.location }] : []));
}

function interpreterOf({
  listeners,
  facts: { pools },
}: Patient): { readonly pid: number; readonly name: string } | undefined {
  // A supervisor has its program's name, and is none: at the status socket it is alone.
  const supervisors = new Set(pools.map(({ state }) => state.pid));
  // The master of php-fpm comes before its workers.
  return listeners
    .flatMap((one) => one.processes)
    .findLast(({ pid, name }) => interpreters.test(name) && !supervisors.has(pid));
}

function lookAtParameters(patient: Patient): Finding | undefined {
  const isPhp = /^(?:php|lsphp)/.test(interpreterOf(patient)?.name ?? '');
  const pass = scriptPasses(patient).find(({ location: { params } }) => {
    // fcgiwrap makes a path of these two as well.
    const isNamed = !isPhp && params.has('DOCUMENT_ROOT') && params.has('SCRIPT_NAME');
    return !params.has('SCRIPT_FILENAME') && !isNamed;
  });
  if (!pass) return undefined;
  return {
    says: `${pass.place} passes no SCRIPT_FILENAME on, so that the program knows no script (PHP: "No input file specified", or an empty page; php-fpm: "Primary script unknown")`,
    fix: `fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; beside it (fastcgi.conf has it, fastcgi_params does not), then reload nginx`,
    evidence: [
      words.describePass(pass),
      `parameters there: ${[...pass.location.params.keys()].join(' ') || 'none'}`,
    ],
  };
}

function lookAtRoot(patient: Patient): Finding | undefined {
  const found = interpreterOf(patient);
  const user = found && credentialsOf(found.pid);
  if (!user || isChrooted(patient.status?.command ?? []) || !patient.seesOurFiles) return undefined;
  for (const pass of scriptPasses(patient)) {
    const path = whereScriptsAre(pass.location);
    const problem = path === undefined ? undefined : problemOf(path, user);
    if (problem) return { ...problem, evidence: [words.describePass(pass), `scripts are in ${path}`] };
  }
  return undefined;
}

/** The directory, or the script where there is but one; undefined where variables decide. */
function whereScriptsAre({ root = '', params }: NginxLocation): string | undefined {
  const script = (params.get('SCRIPT_FILENAME') ?? '').replace(/\$(?:document|realpath)_root\b/, root);
  const [fixed = '', variable] = script.split('$');
  // These begin with a slash: what is before them is a whole directory.
  const isWhole = variable === undefined || /^(?:fastcgi_script_name|uri|document_uri)\b/.test(variable);
  const path = isWhole ? fixed : fixed.replace(/[^/]*$/, '');
  return path.startsWith('/') ? path : undefined;
}

function problemOf(root: string, user: Visitor): Pick<Finding, 'says' | 'fix'> | undefined {
  const { directories, end, missing } = wayTo(root);
  const name = words.userName(user.uid);
  if (missing !== undefined)
    return {
      says: `the scripts are not where nginx says: there is no ${missing}`,
      fix: `write the right directory into root of nginx, or put the site into ${root}`,
    };
  const all = end ? [...directories, end] : directories;
  const closed = all.find((one) => !permits(one, user, permission.search) && !hasAccessList(one.path));
  if (!closed) return undefined;
  return {
    says: `${name}, as whom the program runs, cannot enter ${closed.path} (${words.describePermissions(closed)}), and so read no script below ${root} ("Primary script unknown", "No input file specified")`,
    fix: `${adviseOpening(root, closed, `chmod ${user.gids.includes(closed.gid) ? 'g' : 'o'}+x`)}, or start the pool as a user that may (-u, -g)`,
  };
}

const megabyte = 1024 * 1024;

function lookAtBodies(patient: Patient): Finding | undefined {
  const program = interpreterOf(patient);
  if (!program || !/^(?:php|lsphp)/.test(program.name)) return undefined;
  const limit = postLimitOf(wordsOfProgram(patient.status?.command ?? []), program.name);
  if (!limit) return undefined;
  for (const pass of scriptPasses(patient)) {
    const { bodyLimit } = pass.location;
    if (!bodyLimit || (bodyLimit.bytes !== 0 && bodyLimit.bytes <= limit.bytes)) continue;
    const allowed =
      bodyLimit.bytes === 0 ? 'bodies of any size' : `bodies of ${bodyLimit.bytes / megabyte} MB`;
    return {
      says: `nginx lets ${allowed} through (${bodyLimit.place}), and PHP drops those above post_max_size, ${limit.bytes / megabyte} MB: such a form comes in empty`,
      fix: `the same limit for both: client_max_body_size ${limit.text}; in ${bodyLimit.place}, or post_max_size in ${limit.place}`,
      evidence: [words.describePass(pass), `post_max_size = ${limit.text} (${limit.place})`],
    };
  }
  return undefined;
}

/** Only where it was asked for: it runs the program. */
async function sendOne(patient: Patient): Promise<Finding | undefined> {
  const { facts, pool } = patient;
  const address = pool ? serverOf(pool) : addressOf(patient);
  const { uri, timeoutMs } = facts;
  if (uri === undefined || !address) return undefined;
  const root = patient.passes.find(({ location }) => location?.root?.startsWith('/'))?.location?.root;
  const parameters = parametersFor({ method: 'GET', uri, root });
  const taker = new AnswerRecord();
  const { outcome, times } = await sendRequest({
    address,
    head: encodeHead(parameters, role.responder),
    body: openBody({ kind: 'none' }),
    limit: { kind: 'deadline', ms: timeoutMs },
    taker,
  });
  const verdict = judgeOutcome(outcome, taker.header, false);
  const { body, stderr } = taker.toJson('', verdict, times);
  const said = `${String(stderr)}\n${String(body)}`.trim();
  const script = String(parameters['SCRIPT_FILENAME']);
  const evidence = [
    `GET ${uri}, SCRIPT_FILENAME=${script}`,
    ...said
      .split('\n')
      .filter(Boolean)
      .slice(0, 3)
      .map((line) => `it said: ${line}`),
  ];
  if (/No input file specified|Primary script unknown/i.test(said))
    return {
      says: `the program finds no script ${script} ("No input file specified", "Primary script unknown")`,
      fix: `look whether ${script} is there and the pool's user may read it; else set SCRIPT_FILENAME, or root, of the web server right`,
      evidence,
    };
  if (verdict.exitStatus === 0) return undefined;
  return {
    says: `GET ${uri} is not answered well: ${verdict.message}`,
    fix: `spawn-fcgictl request ${words.targetOf(patient)} ${shellQuote(uri)}${root === undefined ? '' : ` --root ${shellQuote(root)}`} shows all of it`,
    evidence,
  };
}

function addressOf({ address }: Patient): ServerAddress | undefined {
  if (!address) return undefined;
  if (address.kind === 'tcp') return { kind: 'tcp', host: address.ip, port: address.port };
  const path = address.kind === 'unix' ? address.path : `\0${address.name}`;
  return { kind: 'unix', path, owner: undefined };
}
