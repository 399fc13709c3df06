import { logSumExp } from '@mamba2/core';
import { expect, test } from 'vitest';
import { loadTiny, tinyTokenizer } from './support/models.js';

test('a score is the sum of the log-probabilities that forward gives', async () => {
  const model = await loadTiny('hf_mamba2_tiny', { tokenizer: await tinyTokenizer() });
  const text = 'the cat sat on the mat, and then – naïvely – on the hat. '.repeat(3);
  const ids = model.encode(text);
  const { data } = await model.forward([0, ...ids]);
  const expected = ids.map((id, t) => data[t * 300 + id]! - logSumExp(data.subarray(t * 300, (t + 1) * 300)));
  const score = await model.score(text, { start: 0 });
  expect(score.tokens.map((t) => t.id)).toEqual(ids);
  score.tokens.forEach(({ logProb }, t) => expect(logProb).toBeCloseTo(expected[t]!, 10));
  expect(score.bytes).toBe(Buffer.byteLength(text));
  expect(score.bitsPerByte).toBeCloseTo(-expected.reduce((a, b) => a + b, 0) / Math.LN2 / score.bytes, 10);
});

test('what cannot be scored is refused', async () => {
  const model = await loadTiny('hf_mamba2_tiny', { tokenizer: await tinyTokenizer() });
  await expect(model.score('')).rejects.toThrowError('score; given: an empty text; expected: at least one token');
  await expect(model.score('x', { start: 300 })).rejects.toThrowError('start; given: 300');
  const bare = await loadTiny();
  await expect(bare.score('x')).rejects.toThrowError('this model has no tokenizer');
});
