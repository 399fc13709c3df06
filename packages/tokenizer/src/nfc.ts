import { TokenizerError } from './errors.js';
import { rewritePiece, type Piece, type Rewrite } from './piece.js';

/**
 * A piece in Unicode's normal form C. The ranges follow Hugging Face's `tokenizers`: a character that absorbs others takes the range of the
 * first, those made by decomposition take the range of the one before them, and reordering leaves ranges where they were.
 */
export function nfcPiece(piece: Piece): Piece {
  if (piece.text.length > MARKS && TOO_MANY_MARKS.test(piece.text)) {
    throw new TokenizerError(
      `encode: more than ${MARKS} combining marks in a row, which would take very long to put in order`,
    );
  }
  const text = piece.text.normalize('NFC');
  if (text === piece.text) return piece;
  if (!piece.starts) return { text, atStart: piece.atStart };
  const parts: Rewrite[] = [];
  let at = 0;
  // Below U+0300 nothing is a mark, composes with what precedes it or decomposes to something new in NFC: chunks begin there.
  for (const [chunk] of piece.text.matchAll(/[^\u0300-\u{10ffff}]?[\u0300-\u{10ffff}]*/gu)) {
    if (chunk.normalize('NFC') === chunk) parts.push({ text: chunk, from: at });
    else parts.push(...composeChunk(chunk, at));
    at += chunk.length;
  }
  return rewritePiece(piece, parts);
}

/** JavaScript engines sort a run of marks in quadratic time. */
const MARKS = 10_000;
const TOO_MANY_MARKS = /\p{M}{10000}/u;

/** A character of the new text; `shift` is 1 for one too many, -n for one that stands for n more of the old text. */
interface Changed {
  char: string;
  shift: number;
}

/** The normal form of a chunk, each character with the index of the old one whose range it takes. */
function composeChunk(chunk: string, at: number): Rewrite[] {
  const old = [...chunk];
  const indices: number[] = [];
  for (const char of old) {
    indices.push(at);
    at += char.length;
  }
  let next = 0;
  return compose(decompose(old)).map(({ char, shift }) => {
    const like = indices[shift > 0 ? Math.max(0, next - 1) : next] as number;
    if (shift <= 0) next += 1 - shift;
    return { text: char, like };
  });
}

/** The canonical decomposition in canonical order. */
function decompose(chars: readonly string[]): Changed[] {
  // Of equal characters the order stays, so the k-th in canonical order is the k-th before it.
  const shifts = new Map<string, number[]>();
  for (const char of chars) {
    [...char.normalize('NFD')].forEach((part, i) => {
      const known = shifts.get(part);
      if (known) known.push(i === 0 ? 0 : 1);
      else shifts.set(part, [i === 0 ? 0 : 1]);
    });
  }
  const taken = new Map<string, number>();
  return [...chars.join('').normalize('NFD')].map((char) => {
    const k = taken.get(char) ?? 0;
    taken.set(char, k + 1);
    return { char, shift: shifts.get(char)?.[k] ?? 0 };
  });
}

/** Canonical composition (Unicode Standard, D117): a starter absorbs what follows it unless something between blocks it. */
function compose(chars: readonly Changed[]): Changed[] {
  const out: Changed[] = [];
  let starter: Changed | undefined;
  let between: string | undefined;
  for (const { char, shift } of chars) {
    const joined = starter && !blocks(between, char) ? (starter.char + char).normalize('NFC') : '';
    if (starter && joined !== '' && [...joined].length === 1) {
      starter.char = joined;
      starter.shift += shift - 1;
      continue;
    }
    const item = { char, shift };
    out.push(item);
    if (isMark(char)) between = char;
    else {
      starter = item;
      between = undefined;
    }
  }
  return out;
}

/** Whether the character between a starter and another keeps them apart: it has the same combining class, or the other is no mark. */
function blocks(between: string | undefined, char: string): boolean {
  if (between === undefined) return false;
  return !isMark(char) || (inOrder(between + char) && inOrder(char + between));
}

/** Whether a character has a combining class other than 0: it changes place with a mark of a lower or a higher class. */
function isMark(char: string): boolean {
  return !inOrder(`${char}\u0334`) || !inOrder(`\u0345${char}`);
}

function inOrder(pair: string): boolean {
  return pair.normalize('NFD') === pair;
}
