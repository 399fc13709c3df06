import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bpe } from '../src/bpe.js';
import { Fields } from '../src/fields.js';
import { gpt2WordEnd } from '../src/gpt2-split.js';
import { MergeTable } from '../src/merges.js';
import { nfcPiece } from '../src/nfc.js';
import { wholeText } from '../src/piece.js';
import { WordCache } from '../src/word-cache.js';
import { tokenizerFile } from './support/files.js';
import { texts } from './support/texts.js';

/** GPT-2's pattern, with Unicode's white space for `\s`, which in JavaScript lacks U+0085 and has U+FEFF. */
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

function scan(text: string): string[] {
  const words: string[] = [];
  for (let start = 0; start < text.length;) {
    const end = gpt2WordEnd(text, start);
    words.push(text.slice(start, end));
    start = end;
  }
  return words;
}

describe('the split scanner', () => {
  it('equals the regular expression on random text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(scan(text)).toEqual(text.match(GPT2) ?? []);
      }),
      { numRuns: 2000 },
    );
  });

  it('equals it on every code point, between spaces, letters and digits', () => {
    for (let first = 0; first < 0x110000; first += 512) {
      let text = '';
      for (let codePoint = first; codePoint < first + 512; codePoint++) {
        if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
        const char = String.fromCodePoint(codePoint);
        text += `a${char} ${char}${char}1 ${char}'s`;
      }
      if (scan(text).join('\n') !== (text.match(GPT2) ?? []).join('\n')) expect(scan(text)).toEqual(text.match(GPT2));
    }
  });
});

describe('merging', () => {
  /** Few symbols and many merges, so that there is much to merge and ranks collide with positions. */
  const cases = fc.record({
    merges: fc.array(fc.tuple(fc.nat(12), fc.nat(12), fc.nat(12)), { maxLength: 60 }),
    ids: fc.array(fc.nat(5), { maxLength: 120 }),
  });

  it('does the same with a heap and without', () => {
    fc.assert(
      fc.property(cases, ({ merges, ids }) => {
        // As in a vocabulary: what a pair makes is longer than either part, so ids grow.
        const table = new MergeTable(merges.map(([left, right], i) => [left, right, 6 + i]));
        const [scanned, heaped] = [[...ids], [...ids]];
        const [scannedSizes, heapedSizes] = [ids.map(() => 1), ids.map(() => 1)];
        table.applyByScan(scanned, scannedSizes);
        table.applyByHeap(heaped, heapedSizes);
        expect(heaped).toEqual(scanned);
        expect(heapedSizes).toEqual(scannedSizes);
        expect(heapedSizes.reduce((a, b) => a + b, 0)).toBe(ids.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('takes a word of 300000 characters in its stride', () => {
    const bpe = new Bpe(new Fields(tokenizerFile('sentencepiece_bpe').model, 'model'), {
      split: (p) => [p],
      byteLevel: false,
    });
    const { ids, sizes } = bpe.tokenize('the '.repeat(75_000).replaceAll(' ', '▁'));
    expect(ids.map((id) => sizeOf(bpe, id))).toEqual(sizes);
  });

  it('is not changed by cutting text where no token spans', () => {
    const file = tokenizerFile('sentencepiece_bpe');
    for (const model of [file.model, { ...file.model, byte_fallback: false }]) {
      const bpe = new Bpe(new Fields(model, 'model'), { split: (piece) => [piece], byteLevel: false });
      let words = 0;
      fc.assert(
        fc.property(texts, (text) => {
          const cut: number[] = [];
          bpe.eachWord(text, ({ ids }) => {
            cut.push(...ids);
            words++;
          });
          expect(cut).toEqual(bpe.tokenize(text).ids);
        }),
        { numRuns: 500 },
      );
      expect(words).toBeGreaterThan(1000);
    }
  });

  function sizeOf(bpe: Bpe, id: number): number {
    return new TextEncoder().encode(bpe.vocabulary.tokens.get(id)).length;
  }
});

describe('the word cache', () => {
  it('gives what it was told, also once it has started over', () => {
    let calls = 0;
    const cache = new WordCache((word) => {
      calls++;
      return `<${word}>`;
    });
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 70_000; i++) {
        const text = `..${i}é${i}..`;
        const word = text.slice(2, -2);
        if (cache.get(text, 2, text.length - 2) !== `<${word}>`) expect.unreachable(word);
      }
    }
    expect(calls).toBeGreaterThan(70_000);
    calls = 0;
    expect(cache.get('the end', 0, 3)).toBe('<the>');
    expect(cache.get('and the', 4, 7)).toBe('<the>');
    expect(calls).toBe(1);
  });
});

describe('normal form C', () => {
  it('is the same with ranges and without, and the ranges follow the text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const aligned = nfcPiece(wholeText(text, true));
        expect(aligned.text).toBe(text.normalize('NFC'));
        expect(nfcPiece(wholeText(text, false)).text).toBe(aligned.text);
        const starts = [...(aligned.starts ?? [])];
        expect(starts).toEqual(starts.toSorted((a, b) => a - b));
        expect(starts).toHaveLength(aligned.text.length);
        expect(aligned.ends?.every((end, i) => end === (starts[i] as number) + 1)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
