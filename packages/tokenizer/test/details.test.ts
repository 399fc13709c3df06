import { describe, expect, it } from 'vitest';
import { Tokenizer, TokenizerError } from '../src/index.js';
import { tokenizerFile } from './support/files.js';

const byteLevel = Tokenizer.fromJSON(tokenizerFile('bytelevel'));
const sentencePiece = Tokenizer.fromJSON(tokenizerFile('sentencepiece_bpe'));

describe('what a token panel asks', () => {
  it('tells the bytes of tokens, which together are those of the text', () => {
    const text = ' The 状态 of é,\n';
    for (const [tokenizer, expected] of [
      [byteLevel, text],
      // Normalisation put a `▁` in front.
      [sentencePiece, ` ${text}`],
    ] as const) {
      const { ids } = tokenizer.encode(text, { addSpecialTokens: false });
      const bytes = ids.flatMap((id) => [...tokenizer.tokenBytes(id)]);
      expect(bytes).toEqual([...new TextEncoder().encode(expected)]);
    }
    expect([...byteLevel.tokenBytes(byteLevel.id('<|endoftext|>') as number)]).toEqual([
      ...Buffer.from('<|endoftext|>'),
    ]);
    expect([...sentencePiece.tokenBytes(sentencePiece.id('<0xE2>') as number)]).toEqual([0xe2]);
  });

  it.each([
    [
      'byte-level',
      byteLevel,
      [' world', ' leading', '状态', 'aaaaaaa', 'x'],
      [...' world'].map((c) => (c === ' ' ? 'Ġ' : c)),
    ],
    ['SentencePiece-style', sentencePiece, ['▁world', '▁leading▁', 'double▁'], [...'▁world']],
  ])('tells how merges make a word (%s)', (_, tokenizer, words, letters) => {
    for (const word of words) {
      const { merges } = tokenizerFile(tokenizer === byteLevel ? 'bytelevel' : 'sentencepiece_bpe').model as {
        merges: [string, string][];
      };
      const steps = tokenizer.mergeSteps(word);
      let tokens = word === words[0] ? letters : undefined;
      for (const { index, left, right, result, rank } of steps) {
        expect(merges[rank]).toEqual([left, right]);
        expect(left + right).toBe(result);
        if (!tokens) continue;
        expect(tokens.slice(index, index + 2)).toEqual([left, right]);
        // No merge that is preferred was possible.
        for (let i = 1; i < tokens.length; i++) {
          const other = merges.findIndex(([a, b]) => a === tokens?.[i - 1] && b === tokens[i]);
          expect(other === -1 || other >= rank).toBe(true);
        }
        tokens = [...tokens.slice(0, index), result, ...tokens.slice(index + 2)];
      }
      if (tokens && tokenizer === byteLevel) expect(tokens).toEqual(byteLevel.encode(word).tokens);
    }
  });

  it('tells how merges make a token', () => {
    const id = byteLevel.id('Ġworld') as number;
    const steps = byteLevel.mergeSteps(id);
    expect(steps.at(-1)?.result).toBe('Ġworld');
    expect(steps).toEqual(byteLevel.mergeSteps(' world'));
    expect(byteLevel.mergeSteps(byteLevel.id('<|endoftext|>') as number)).toEqual([]);
    expect(() => byteLevel.mergeSteps(9999)).toThrow(TokenizerError);
    expect(() => byteLevel.mergeSteps('a'.repeat(1001))).toThrow(TokenizerError);
  });

  it('counts offsets in code points', () => {
    const text = '👩‍👧 é 状 end';
    const points = [...text];
    const { ids, offsets, specialTokensMask } = sentencePiece.encode(text);
    expect(specialTokensMask).toEqual(ids.map((_, i) => (i === 0 ? 1 : 0)));
    const covered = offsets
      .slice(1)
      .flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i));
    expect([...new Set(covered)]).toEqual(points.map((_, i) => i));
  });
});
