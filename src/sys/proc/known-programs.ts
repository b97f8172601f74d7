// Programs that are known to finish the request they work on when they get TERM,
// told by their file or by the FastCGI library that they have mapped.
import { basename } from 'node:path';
import type { ProcFs } from './proc-fs.ts';

/** libfcgi (C, C++) and Perl's FCGI install a handler that ends the loop of accept. */
const library = /\/(libfcgi(\+\+)?\.so|auto\/FCGI\/FCGI\.so)/;

/** php-cgi reads the end of the request's body when it has answered it. */
export function readsBehindItsAnswer(proc: ProcFs, pid: number): boolean {
  return basename(proc.readLink(`${pid}/exe`) ?? '').startsWith('php-cgi');
}

/**
 * Whether the worker's leader is php-cgi or has such a library mapped. fcgiwrap has libfcgi, and
 * dies of TERM in the middle of a request. False where we may not look: it is not known then.
 *
 * php-cgi may get TERM at any time. libfcgi's read and poll take TERM for a broken connection: it drops a
 * request that it has accepted but not read yet (and then spins, on a Unix socket), and its
 * other threads never hear of TERM. Such a program should be asked while it is idle, as any other.
 */
export function finishesOnTerm(proc: ProcFs | undefined, leader: number): boolean {
  const file = proc?.readLink(`${leader}/exe`);
  if (!proc || file === undefined) return false;
  // A file that was replaced by an upgrade since is shown as `php-cgi8.2 (deleted)`.
  const name = basename(file);
  if (name.startsWith('php-cgi')) return true;
  if (name.startsWith('fcgiwrap')) return false;
  return library.test(proc.readWhole(`${leader}/maps`) ?? '');
}
