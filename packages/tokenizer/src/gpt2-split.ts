import { classOf, classPage, OTHER, SPACE } from './unicode.js';

const APOSTROPHE = 39;
const BLANK = 32;

/**
 * GPT-2's split pattern by hand: where the word that begins at `start` ends. Equal, on every well-formed text, to the regular expression
 * `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` matched at `start`; the words cover the text without gaps.
 *
 * @param start a position before the text's end, in UTF-16 units
 */
export function gpt2WordEnd(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === APOSTROPHE) {
    const length = contraction(text, start);
    if (length > 0) return start + length;
    return runEnd(text, start + 1, OTHER);
  }
  if (first === BLANK) {
    const next = start + 1 < text.length ? classAt(text, start + 1) : SPACE;
    if (next !== SPACE) return runEnd(text, start + 1, next);
  }
  const kind = classAt(text, start);
  const end = runEnd(text, start, kind);
  // `\s+(?!\S)`: a run of spaces leaves its last one to the word after it, unless it is the only one.
  return kind === SPACE && end < text.length && end > start + 1 ? end - 1 : end;
}

/** The length of one of `'s 't 're 've 'm 'll 'd` at the apostrophe at `start`, or 0. */
function contraction(text: string, start: number): number {
  const next = text[start + 1];
  if (next === 's' || next === 't' || next === 'm' || next === 'd') return 2;
  const after = text[start + 2];
  return ((next === 'r' || next === 'v') && after === 'e') || (next === 'l' && after === 'l') ? 3 : 0;
}

/** The end of the longest run of characters of one class from `start` on. */
function runEnd(text: string, start: number, kind: number): number {
  const latin = classPage(0);
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 256) {
      if (latin[unit] !== kind) return i;
    } else if (unit < 0xd800 || unit > 0xdbff) {
      if (classOf(unit) !== kind) return i;
    } else {
      if (classAt(text, i) !== kind) return i;
      i++;
    }
  }
  return text.length;
}

function classAt(text: string, index: number): number {
  return classOf(text.codePointAt(index) as number);
}
