// A single byte that is no character, in a text to print: getopt(3) quotes one byte of a letter that has several. Byte N
// stands in a string as U+DC00 + N, half a character, which no decoded text has (Python's surrogateescape).

const halfCharacter = 0xdc00;
const firstAboveControls = 0xa0;

/** Bytes that are control characters in eight-bit terminals stay characters, which are escaped where they are printed. */
export function strayByte(byte: number): string {
  return String.fromCharCode(byte < firstAboveControls ? byte : halfCharacter + byte);
}

/** Splits a text at its stray bytes, and keeps them: every second part is one. */
export function splitAtStrayBytes(text: string): string[] {
  return text.split(/([\u{dca0}-\u{dcff}])/u);
}

/** The byte that such a part stands for. */
export function valueOfStrayByte(part: string): number {
  return part.charCodeAt(0) - halfCharacter;
}
