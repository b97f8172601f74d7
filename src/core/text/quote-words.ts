// A program's own words as hints for people. Pure.

/** The words in the same line where there is one, else a line each. */
export function quote(heading: string, words: readonly string[]): string[] {
  if (words.length === 0) return [heading];
  return words.length === 1
    ? [`${heading}: ${words[0]}`]
    : [`${heading}:`, ...words.map((word) => `  ${word}`)];
}
