// Running text as man(7) has it: what is code in the Markdown of our tables becomes bold, a link its text.

const widest = 78;
const code = /`([^`]+)`|\*\*([^*]+)\*\*/;

/** A text of a table or a page, in lines. Throws at what roff could not be sure to print. */
export function toRoff(markdown: string): string {
  const parts = withoutLinks(markdown.replaceAll(String.raw`\|`, '|')).split(code);
  // split() gives the text, then what is code, then what is strong, and so on.
  const written = parts.map((part: string | undefined, at) =>
    at % 3 === 0 ? prose(part ?? '') : part && bold(part),
  );
  return fold(written.join(''));
}

/** As it is typed. */
export function bold(text: string): string {
  return String.raw`\fB${literally(text)}\fR`;
}

/** What somebody puts something else in the place of. */
export function italic(text: string): string {
  return String.raw`\fI${literally(text)}\fR`;
}

/** Characters that roff would make nicer, or take for its own. */
function literally(text: string): string {
  return onlyAscii(text)
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll('^', String.raw`\(ha`)
    .replaceAll('~', String.raw`\(ti`);
}

/** Hyphens of options and of negative numbers are minus signs, others stay hyphens. */
function prose(text: string): string {
  return onlyAscii(text)
    .replaceAll('\\', String.raw`\e`)
    .replaceAll(/(?<=^|[\s(/|])--?(?=[\w<])/g, (signs) => signs.replaceAll('-', String.raw`\-`))
    .replaceAll('^', String.raw`\(ha`);
}

function onlyAscii(text: string): string {
  const plain = text.replaceAll('…', '...');
  const strange = /[^\n -~]/.exec(plain)?.[0];
  if (strange === undefined) return plain;
  throw new Error(`manual: '${strange}' in '${plain}' would need a name of roff`);
}

/** `([guards](guards.md#age))` names the page; any other link is its text. */
function withoutLinks(text: string): string {
  return text
    .replaceAll(/\(\[[^\]]+\]\((\w[\w-]*\.md)[^)]*\)\)/g, '($1)')
    .replaceAll(/\[([^\]]+)\]\([^)\s]+\)/g, '$1');
}

/** Short lines, none of which looks like a request. */
function fold(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= widest) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map((line) => (/^[.']/.test(line) ? String.raw`\&${line}` : line)).join('\n');
}

/** A paragraph with its label before it. */
export function entry(label: string, text: string): string {
  return `.TP\n${label}\n${text}\n`;
}

/** With a capital, and a full stop. */
export function sentence(text: string): string {
  const first = /^[a-z]+[ ;,:]/.test(text) ? `${text[0]?.toUpperCase()}${text.slice(1)}` : text;
  return /(?<!\.\.)[.:]$/.test(first) ? first : `${first}.`;
}
