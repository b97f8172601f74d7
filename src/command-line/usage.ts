// The texts of -h and -v; the options in -h come from the table.
import manifest from '../../package.json' with { type: 'json' };
import { fillIn, shortForms, type OptionRow, type Section } from './option.ts';
import { options } from './options.ts';

export const versionText = `spawn-fcgi v${manifest.version} (ipv6) - spawns and supervises FastCGI processes\n`;

export function describeUsage(): string {
  return `Usage: spawn-fcgi [options] [-- <fcgiapp> [fcgi app arguments]]

${versionText}
Options:
${describeOptions('general', 26)}
(root only)
${describeOptions('root', 26)}

Who supervises:
${describeOptions('model', 26)}
Supervision (TIME is a number with ms, s, m or h; bare: seconds):
${describeOptions('supervision', 33)}
What workers are watched for:
${describeOptions('guards', 33)}

${signalsAndStatuses}`;
}

const widest = 79;

/** The options of a section, their texts in a column. */
function describeOptions(section: Section, column: number): string {
  const described = options.filter((option) => option.section === section);
  return described.flatMap((option) => describeOption(option, column)).join('\n');
}

function describeOption(option: OptionRow, column: number): string[] {
  const label = describeLabel(option);
  const lines = wrap(fillIn(option.help, option), widest - column).map((line) => ' '.repeat(column) + line);
  const [first = ''] = lines;
  if (label.length >= column) return [label, ...lines];
  return [label.padEnd(column) + first.slice(column), ...lines.slice(1)];
}

function describeLabel(option: OptionRow): string {
  const { long, argument } = option;
  const letters = shortForms(option).map((letter) => `${letter}, `);
  const name = argument === undefined ? `--${long}` : `--${long} ${argument}`;
  return letters.length === 0 ? `     ${name}` : ` ${letters.join('')}${name}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const signalsAndStatuses = `Signals to the supervisor:
     TERM, INT, QUIT      finish all requests and end; a second one: end at once
     HUP                  replace the workers one by one, new before old
     USR1                 open the files of --log and --output anew
     TTIN, TTOU           one worker more, one less
Exit status:
     0                    the pool is up; with -n: it was asked to stop, and has
     255                  refused before a worker ran
     75                   --start-limit or --ready-timeout was reached
     1                    the first worker died of a signal; unexpected error
     other                the first worker's, when all of them ended at once; 2,
                          8, 13, 126, 127: the program cannot be executed
Running pools are shown, reloaded, scaled and stopped by spawn-fcgictl (-h).
`;
