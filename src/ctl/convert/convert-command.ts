// The command line of `convert`. Looks at nothing but the arguments.
import type { Command } from 'commander';
import { refuseArguments } from '../refuse-arguments.ts';

export interface ConvertOptions {
  readonly command: 'convert';
  /** `-`: standard input. */
  readonly file: string;
  readonly kind: string | undefined;
  readonly form: 'command' | 'unit' | 'conf' | 'json';
  /** Only the one of that name. */
  readonly pool: string | undefined;
  readonly program: string | undefined;
}

interface Given {
  readonly kind?: string;
  readonly unit?: boolean;
  readonly conf?: boolean;
  readonly json?: boolean;
  readonly pool?: string;
  readonly program?: string;
}

export function addConvert(program: Command, ask: (request: ConvertOptions) => void): void {
  program
    .command('convert <file>')
    .description("from others' configuration to commands of spawn-fcgi")
    .option('--unit', 'as systemd units')
    .option('--conf', 'as files for spawn-fcgi@.service')
    .option('--json', 'as JSON')
    .option('--kind <kind>', 'what the file is, if that cannot be told')
    .option('--pool <name>', 'only this one of several')
    .option('--program <path>', 'to run in place of php-fpm or uWSGI')
    .addHelpText('after', convertEnd)
    .action((file: string, { kind, pool, program: path, ...forms }: Given) => {
      const asked = Object.keys(forms) as ('unit' | 'conf' | 'json')[];
      if (asked.length > 1) throw refuseArguments(`--${asked.join(' and --')} exclude each other`, help);
      ask({ command: 'convert', file, kind, form: asked[0] ?? 'command', pool, program: path });
    });
}

const help = 'spawn-fcgictl convert -h';

const convertEnd = `
FILE is a configuration of supervisord, lighttpd, php-fpm, OpenRC (conf.d), Red
Hat (sysconfig), systemd or uWSGI, or a script with command lines of spawn-fcgi
1.6 or multiwatch; - is standard input. Nothing in it is run. What cannot be
carried over is a comment above the command.

Exit status: 0 all of it is carried over; 1 some of it is not; 4 there is no
pool in it; 255 usage, or it cannot be read.`;
