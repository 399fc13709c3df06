import { utf8Length } from './bytes.js';

/**
 * A stretch of text on its way from what the user wrote to words. If `starts` and `ends` are there, they hold for each UTF-16 unit
 * the range of code points of the user's text that it came from.
 */
export interface Piece {
  readonly text: string;
  /** Whether it begins where the user's text begins. */
  readonly atStart: boolean;
  readonly starts?: Int32Array;
  readonly ends?: Int32Array;
}

/** The user's whole text as a piece; `aligned` asks for the ranges. */
export function wholeText(text: string, aligned: boolean): Piece {
  if (!aligned) return { text, atStart: true };
  const starts = new Int32Array(text.length);
  const ends = new Int32Array(text.length);
  let codePoint = -1;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Well-formed text: a low surrogate is the second half of the code point before it.
    if (unit < 0xdc00 || unit > 0xdfff) codePoint++;
    starts[i] = codePoint;
    ends[i] = codePoint + 1;
  }
  return { text, atStart: true, starts, ends };
}

/** The units from `from` to `to` of a piece. */
export function slicePiece(piece: Piece, from: number, to: number): Piece {
  if (from === 0 && to === piece.text.length) return piece;
  return {
    text: piece.text.slice(from, to),
    atStart: piece.atStart && from === 0,
    starts: piece.starts?.subarray(from, to),
    ends: piece.ends?.subarray(from, to),
  };
}

/** A part of a rewritten text: what to write, and which unit of the old text to take the range of. */
export interface Rewrite {
  readonly text: string;
  /** The index in the old text whose range every unit of `text` takes; absent for text that stays as it was. */
  readonly like?: number;
  /** Where text that stays began. */
  readonly from?: number;
}

/** A piece whose text is put together from parts of the old one and new text. */
export function rewritePiece(piece: Piece, parts: readonly Rewrite[]): Piece {
  const text = parts.map((part) => part.text).join('');
  if (!piece.starts || !piece.ends) return { text, atStart: piece.atStart };
  const starts = new Int32Array(text.length);
  const ends = new Int32Array(text.length);
  let at = 0;
  for (const part of parts) {
    for (let i = 0; i < part.text.length; i++, at++) {
      const source = part.like ?? (part.from as number) + i;
      starts[at] = piece.starts[source] as number;
      ends[at] = piece.ends[source] as number;
    }
  }
  return { text, atStart: piece.atStart, starts, ends };
}

/** Text put in front of a piece that is not empty; its range is that of the first code point. */
export function prependToPiece(piece: Piece, text: string): Piece {
  if (piece.text === '') return piece;
  return rewritePiece(piece, [
    { text, like: 0 },
    { text: piece.text, from: 0 },
  ]);
}

/** Every match of a pattern replaced by `content`, which takes the range of the match's last code point. */
export function replaceInPiece(piece: Piece, pattern: RegExp, content: string): Piece {
  if (!piece.starts) return { text: piece.text.replace(pattern, () => content), atStart: piece.atStart };
  const parts: Rewrite[] = [];
  let kept = 0;
  for (const match of piece.text.matchAll(pattern)) {
    const end = match.index + match[0].length;
    parts.push({ text: piece.text.slice(kept, match.index), from: kept }, { text: content, like: end - 1 });
    kept = end;
  }
  parts.push({ text: piece.text.slice(kept), from: kept });
  return rewritePiece(piece, parts);
}

/**
 * The ranges of the successive tokens of a word, the units from `from` to `to` of a piece, given how many UTF-8 bytes each token
 * takes. A byte has the range of its character.
 */
export function rangesOf(piece: Piece, from: number, to: number, sizes: readonly number[]): [number, number][] {
  const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
  // In ASCII the n-th byte is the n-th unit.
  const units = size === to - from ? undefined : unitsOfBytes(piece.text, from, to);
  let byte = 0;
  return sizes.map((bytes) => {
    const first = units ? (units[byte] as number) : from + byte;
    byte += bytes;
    const last = units ? (units[byte - 1] as number) : from + byte - 1;
    return [piece.starts?.[first] ?? 0, piece.ends?.[last] ?? 0];
  });
}

/** For each byte of the UTF-8 form of a stretch of text, the unit where its character begins. */
function unitsOfBytes(text: string, from: number, to: number): number[] {
  const units: number[] = [];
  for (let unit = from; unit < to; unit++) {
    const codePoint = text.codePointAt(unit) as number;
    for (let i = utf8Length(codePoint); i > 0; i--) units.push(unit);
    if (codePoint > 0xffff) unit++;
  }
  return units;
}
