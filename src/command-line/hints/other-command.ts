// `spawn-fcgi status`: what is asked of a pool that runs is spawn-fcgictl's. For a start that is refused.
import { shellQuote } from '../../core/text/shell-quote.ts';
import type { StartRequest } from '../request.ts';

const commands = /^(?:status|ping|events|logs|metrics|stop|reload|restart|scale|try|request|doctor|convert)$/;

export function suspectOtherCommand({ options, program }: StartRequest): string[] {
  const [command = ''] = program;
  if (!commands.test(command) || options.socket !== undefined || options.port !== undefined) return [];
  return [`'${command}' is a command of spawn-fcgictl: spawn-fcgictl ${program.map(shellQuote).join(' ')}`];
}
