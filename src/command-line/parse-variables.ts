// --env: variables for the workers.
import { SpawnFcgiError } from '../core/errors.ts';
import type { RawOptions } from './options.ts';

/** By name, the last of a name counts; %i is still in the values. */
export function parseVariables({
  env = [],
  phpChildren,
  ready,
}: Pick<RawOptions, 'env' | 'phpChildren' | 'ready'>): Readonly<Record<string, string>> {
  const variables = Object.fromEntries(env.map(parseVariable));
  refuseOurs(variables, 'PHP_FCGI_CHILDREN', phpChildren === undefined ? undefined : '-C');
  refuseOurs(variables, 'NOTIFY_SOCKET', ready === 'notify' ? '--ready notify' : undefined);
  return variables;
}

function parseVariable(text: string): [string, string] {
  const end = text.indexOf('=');
  if (end > 0 && !text.includes('\0')) return [text.slice(0, end), text.slice(end + 1)];
  throw new SpawnFcgiError(`invalid value for --env: '${text}'`, {
    hints: ['--env takes NAME=VALUE, such as --env APP_ENV=production; an empty value is --env NAME='],
  });
}

/** What another option gives to the workers: one of the two would be silently without effect. */
function refuseOurs(
  variables: Readonly<Record<string, string>>,
  name: string,
  option: string | undefined,
): void {
  if (option === undefined || !Object.hasOwn(variables, name)) return;
  throw new SpawnFcgiError(`${option} and --env ${name} exclude each other: ${option} sets that variable`, {
    hints: [`leave out one of them`],
  });
}
