import { describe, expect, it } from 'vitest';
import { Tokenizer } from '../src/index.js';
import { families, goldenCases, tokenizerFile, truths } from './support/files.js';

describe.each(families)('golden tokenizer %s', (name) => {
  const tokenizer = Tokenizer.fromJSON(tokenizerFile(name));

  it.each(goldenCases(name))('$text', (golden) => {
    const encoding = tokenizer.encode(golden.text);
    expect(encoding.ids).toEqual(golden.ids);
    expect(encoding.tokens).toEqual(golden.tokens);
    expect(encoding.offsets).toEqual(golden.offsets);
    expect(tokenizer.encode(golden.text, { addSpecialTokens: false }).ids).toEqual(golden.ids_no_special);
    expect(tokenizer.decode(golden.ids)).toBe(golden.decoded);
    expect(tokenizer.decode(golden.ids, { skipSpecialTokens: true })).toBe(golden.decoded_skip);
  });

  it('knows its tokens both ways', () => {
    const { vocab } = tokenizerFile(name).model as { vocab: Record<string, number> };
    expect(tokenizer.vocabSize).toBe(Object.keys(vocab).length);
    for (const [token, id] of Object.entries(vocab)) {
      expect(tokenizer.token(id)).toBe(token);
      expect(tokenizer.id(token)).toBe(id);
    }
  });
});

describe("Hugging Face's tokenizers library (truth/make.py)", () => {
  it.each(truths())('$name', ({ file, cases }) => {
    const tokenizer = Tokenizer.fromJSON(JSON.stringify(file));
    for (const golden of cases) {
      const encoding = tokenizer.encode(golden.text);
      expect({
        text: golden.text,
        ids: encoding.ids,
        tokens: encoding.tokens,
        offsets: encoding.offsets,
        mask: encoding.specialTokensMask,
        decoded: tokenizer.decode(golden.ids),
        decoded_skip: tokenizer.decode(golden.ids, { skipSpecialTokens: true }),
      }).toEqual(golden);
    }
  });
});
