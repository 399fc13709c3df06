import { componentsOf, type Fields } from './fields.js';
import { gpt2WordEnd } from './gpt2-split.js';
import { escapeLiteral, patternOf } from './pattern.js';
import { prependToPiece, replaceInPiece, slicePiece, type Piece } from './piece.js';

/** Where the word that begins at `start` ends; the words of a text leave no gaps. */
export type WordEnd = (text: string, start: number) => number;

/** How normalised text is cut into the words that BPE works on. */
export interface PreTokenizer {
  /** Splits and rewrites a piece; the order of the text stays. */
  readonly split: (piece: Piece) => Piece[];
  /** Whether words are then seen as UTF-8 bytes. */
  readonly byteLevel: boolean;
  /** The last split, done without making pieces; absent if each piece is one word. */
  readonly wordEnd?: WordEnd;
}

type Split = (piece: Piece) => Piece[];

/** Reads `pre_tokenizer`: `ByteLevel`, `Metaspace`, `Split`, or a `Sequence` of them in which `ByteLevel` is last. */
export function readPreTokenizer(file: Fields): PreTokenizer {
  const steps = componentsOf(file, 'pre_tokenizer', 'pretokenizers');
  const last = steps.at(-1);
  const byteLevel = last?.string('type') === 'ByteLevel' ? readByteLevel(last) : undefined;
  const splits = (byteLevel ? steps.slice(0, -1) : steps).map(readSplit);
  if (byteLevel?.prefix) splits.push((piece) => [withPrefix(piece, ' ')]);
  return {
    split: (piece) => splits.reduce((pieces, split) => pieces.flatMap(split), [piece]),
    byteLevel: byteLevel !== undefined,
    ...(byteLevel?.regex && { wordEnd: gpt2WordEnd }),
  };
}

/** Reads the fields that `ByteLevel` has as pre-tokenizer, post-processor and decoder alike. */
export function readByteLevel(fields: Fields): { prefix: boolean; trim: boolean; regex: boolean } {
  fields.only('type', 'add_prefix_space', 'trim_offsets', 'use_regex');
  return {
    prefix: fields.boolean('add_prefix_space'),
    trim: fields.boolean('trim_offsets'),
    regex: fields.boolean('use_regex', true),
  };
}

/** Reads the fields that `Metaspace` has as pre-tokenizer and decoder alike. */
export function readMetaspace(fields: Fields): { mark: string; prepend: 'always' | 'first' | 'never'; split: boolean } {
  fields.only('type', 'replacement', 'prepend_scheme', 'split', 'add_prefix_space', 'str_rep');
  const mark = fields.string('replacement');
  if ([...mark].length !== 1) fields.refuse('replacement', 'expected one character');
  const prepend = fields.oneOf('prepend_scheme', ['always', 'first', 'never'], 'always');
  // Older files say it twice.
  if (prepend !== 'never' && !fields.boolean('add_prefix_space', true)) {
    fields.refuse('add_prefix_space', `it contradicts prepend_scheme "${prepend}"; remove it`);
  }
  if (fields.string('str_rep', mark) !== mark) fields.refuse('str_rep', 'it contradicts replacement; remove it');
  return { mark, prepend, split: fields.boolean('split', true) };
}

function readSplit(fields: Fields): Split {
  switch (fields.string('type')) {
    case 'Metaspace': {
      const { mark, prepend, split } = readMetaspace(fields);
      const pattern = new RegExp(escapeLiteral(mark), 'gu');
      return (piece) => {
        const marked = replaceInPiece(piece, / /g, mark);
        const first = prepend === 'always' || (prepend === 'first' && piece.atStart);
        const whole = first ? withPrefix(marked, mark) : marked;
        return split ? splitPiece(whole, pattern, 'MergedWithNext') : [whole];
      };
    }
    case 'Split': {
      fields.only('type', 'pattern', 'behavior', 'invert');
      fields.unset('invert');
      const pattern = patternOf(fields);
      const behavior = fields.oneOf('behavior', BEHAVIORS);
      return (piece) => splitPiece(piece, pattern, behavior);
    }
    default:
      return fields.refuse('type', 'this package splits with ByteLevel (last), Metaspace and Split');
  }
}

function withPrefix(piece: Piece, prefix: string): Piece {
  return piece.text.startsWith(prefix) ? piece : prependToPiece(piece, prefix);
}

const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;

/** Cuts a piece at the matches of a pattern; `behavior` says what becomes of the matches. */
function splitPiece(piece: Piece, pattern: RegExp, behavior: (typeof BEHAVIORS)[number]): Piece[] {
  const { text } = piece;
  const cuts: number[] = [];
  const removed = new Set<number>();
  let end = -1;
  for (const match of text.matchAll(pattern)) {
    const start = match.index;
    const contiguous = start === end;
    end = start + match[0].length;
    if (behavior === 'Removed') removed.add(start);
    // `a--b`: MergedWithPrevious gives `a-`, `-`, `b`; MergedWithNext `a`, `-`, `-b`; Contiguous `a`, `--`, `b`.
    if (behavior !== 'MergedWithPrevious' || contiguous) {
      if (behavior !== 'Contiguous' || !contiguous) cuts.push(start);
      else cuts.pop();
    }
    if (behavior !== 'MergedWithNext') cuts.push(end);
  }
  const pieces: Piece[] = [];
  let from = 0;
  for (const to of [...cuts, text.length]) {
    if (to > from && !removed.has(from)) pieces.push(slicePiece(piece, from, to));
    from = to;
  }
  return pieces;
}
