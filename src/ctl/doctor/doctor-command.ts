// The command line of `doctor`. Looks at nothing but the arguments.
import type { Command } from 'commander';
import { refuseArguments } from '../refuse-arguments.ts';
import { parseUri } from '../request/request-command.ts';

export interface DoctorOptions {
  readonly command: 'doctor';
  readonly target: string | undefined;
  /** Of a web server, instead of those of the web servers that run. */
  readonly config: string | undefined;
  /** To be asked for through the pool; undefined: no program is run. */
  readonly uri: string | undefined;
  readonly showsAll: boolean;
  readonly asJson: boolean;
}

interface Given {
  readonly config?: string;
  readonly request?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function addDoctor(program: Command, ask: (request: DoctorOptions) => void): void {
  program
    .command('doctor [target]')
    .description('name the first thing that breaks the way of a request')
    .option('--config <file>', "the web server's configuration, instead of that of those that run")
    .option('--request <uri>', 'ask for it, too: runs the program once')
    .option('--all', 'also what else is wrong, and what could not be seen')
    .option('--json', 'as JSON')
    .addHelpText('after', doctorEnd)
    .action((target: string | undefined, { config, request, all, json }: Given) => {
      if (config === '') throw refuseArguments('--config is empty', 'spawn-fcgictl doctor -h');
      ask({
        command: 'doctor',
        target,
        config,
        uri: request === undefined ? undefined : parseUri(request),
        showsAll: all ?? false,
        asJson: json ?? false,
      });
    });
}

const doctorEnd = `
TARGET may also be an address that nobody listens on, or somebody else does.
Without one every pool of yours is looked at, and where web servers pass
requests to. It changes nothing, and prints nothing where nothing is wrong.

Exit status: 0 nothing wrong; 1 a finding; 4 nothing to look at; 255 usage.`;
