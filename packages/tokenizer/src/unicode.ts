/** What GPT-2's split pattern asks of a character: `\p{L}`, `\p{N}`, `\s` or none of them. */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;

/** Classes of 256 neighbouring code points at a time, filled when one of them is first met. */
const pages: Uint8Array[] = [];

/** The page of classes that holds the code points `256 * index` to `256 * index + 255`. */
export function classPage(index: number): Uint8Array {
  const known = pages[index];
  if (known) return known;
  const page = new Uint8Array(256);
  for (let low = 0; low < 256; low++) page[low] = classify(String.fromCodePoint(index * 256 + low));
  return (pages[index] = page);
}

/** The class of a code point, by the Unicode version of the JavaScript engine. */
export function classOf(codePoint: number): number {
  return classPage(codePoint >> 8)[codePoint & 255] as number;
}

function classify(char: string): number {
  if (/\p{L}/u.test(char)) return LETTER;
  if (/\p{N}/u.test(char)) return NUMBER;
  // Not `\s`: JavaScript's lacks U+0085 and has U+FEFF.
  return /\p{White_Space}/u.test(char) ? SPACE : OTHER;
}
