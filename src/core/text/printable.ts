// Text of others (names of processes and files, what a server or a program said), made safe for a terminal. Pure.

let pattern: RegExp | undefined;

/**
 * Control and format characters (escape sequences, line breaks, changes of direction), and halves of characters. Made on
 * first use: 0.3 ms, and few starts have anything to print.
 */
export function unprintable(): RegExp {
  return (pattern ??= /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu);
}

/** The text on one line; what is not to be printed is written as `\x1b` or `\u{202e}`. */
export function printable(text: string): string {
  return text.replaceAll(unprintable(), escape);
}

/** The same for text that may have lines and tabs. */
export function printableLines(text: string): string {
  return text.replaceAll(unprintable(), (char) => (char === '\n' || char === '\t' ? char : escape(char)));
}

function escape(char: string): string {
  const code = (char.codePointAt(0) ?? 0).toString(16);
  return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`;
}
