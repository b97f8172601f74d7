// Commands of ours as pages write them, in blocks and between backticks: their words, as a shell would see them.
import { fencesOf, pagePaths, spansOf, type Found } from './markdown.ts';

export interface WrittenCommand extends Found {
  readonly program: 'spawn-fcgi' | 'spawn-fcgictl';
  /** Behind the program's name, quotes taken off; up to what ends a simple command. */
  readonly words: readonly string[];
}

/** At the beginning, or where another command, a shell, a unit or a crontab has one. */
const place =
  /(?:^|exec |&& |\|\| |; |[|('"]|(?<!--from)=|\$ |# |root )\s*(?:\/usr\/(?:local\/)?bin\/|~\/fcgi\/bin\/)?(spawn-fcgi(?:ctl)?)(?= |$)/gm;

export function writtenCommands(): WrittenCommand[] {
  return pagePaths.flatMap((page) => {
    const fences = fencesOf(page).filter(({ info }) => !/^(?:text|$)/.test(info));
    const lines = fences.flatMap(({ text, line }) =>
      text
        .replaceAll('\\\n', ' ')
        .split('\n')
        .map((one) => ({ page, line, text: one })),
    );
    return [...spansOf(page), ...lines].flatMap(commandsIn);
  });
}

function commandsIn(found: Found): WrittenCommand[] {
  const { text } = found;
  return [...text.matchAll(place)].map((match) => {
    const words = shellWords(text.slice(match.index + match[0].length));
    return { ...found, program: match[1] as WrittenCommand['program'], words };
  });
}

const token = /\s*(?:([;&|)<>#]|\d>|$)|((?:'[^']*'|"[^"]*"|\\.|\$\([^)]*\)|[^\s;&|)<>'"])+)|(['"]))/g;

/** Of one simple command: it ends at an operator, a comment, or the quote around it. */
function shellWords(text: string): string[] {
  const words: string[] = [];
  for (const [, end, word, quote] of text.matchAll(token)) {
    if (end !== undefined || quote !== undefined || word === undefined) break;
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"|\\(.)/g, '$1$2$3'));
  }
  return words;
}
