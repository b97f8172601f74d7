// What a pool's own command line says, as far as that can be told without the table of its options. Pure.

/** The words behind `--`: the program and what it gets; empty where it was written in another way. */
export function wordsOfProgram(command: readonly string[]): string[] {
  const separator = command.indexOf('--');
  return separator < 0 ? [] : command.slice(separator + 1);
}

/** The program's path; undefined where that is not known, or is one in a chroot. */
export function programIn(command: readonly string[]): string | undefined {
  const [program] = wordsOfProgram(command);
  return !isChrooted(command) && program?.startsWith('/') === true ? program : undefined;
}

export function isChrooted(command: readonly string[]): boolean {
  return ownWords(command).some((word) => /^(?:-c|--chroot)/.test(word));
}

/** `-b N`, `-bN`, `--backlog N` or `--backlog=N`. */
export function backlogIn(command: readonly string[]): number | undefined {
  const own = ownWords(command);
  const found = own.flatMap((word, index) => {
    const value = /^(?:-b|--backlog)(?:=?(\d+))?$/.exec(word);
    return value ? [Number(value[1] ?? own[index + 1])] : [];
  });
  return found.findLast((number) => Number.isInteger(number));
}

function ownWords(command: readonly string[]): readonly string[] {
  const separator = command.indexOf('--');
  return separator < 0 ? command : command.slice(0, separator);
}
