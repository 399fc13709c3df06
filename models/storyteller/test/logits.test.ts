import { reference } from '@mamba2/core/reference';
import { Mamba2 } from '@mamba2/model';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readGoldens } from '../../../fixtures/read.ts';
import { storyteller } from '../src/index.ts';

/** Written by train/golden.py: transformers in float64 on the stored weights. */
const golden = readGoldens('../storyteller/golden.safetensors');
// transformers computes norms and decays in float32 whatever the model's type (6.9e-8 from a float64 model of the same weights), and the
// golden values are stored as float32.
const tolerance = 1e-6;

let model: Mamba2;
beforeAll(async () => {
  model = await Mamba2.load(storyteller, { backend: reference() });
});
afterAll(() => model.dispose());

test('logits are those of transformers', async () => {
  const { input_ids: ids, logits: truth } = golden;
  const [rows, length] = ids!.shape as [number, number];
  let difference = 0;
  let norm = 0;
  for (let b = 0; b < rows; b++) {
    const { data } = await model.forward([...ids!.values.subarray(b * length, (b + 1) * length)]);
    const expected = truth!.values.subarray(b * data.length, (b + 1) * data.length);
    data.forEach((value, i) => {
      difference += (value - expected[i]!) ** 2;
      norm += expected[i]! ** 2;
    });
  }
  expect(norm).toBeGreaterThan(0);
  expect(Math.sqrt(difference / norm)).toBeLessThan(tolerance);
});

test('greedy generation continues a prompt as transformers does', async () => {
  const ids = [...golden.greedy!.values];
  const prompt = model.encode('Once upon a time');
  expect(ids.slice(0, prompt.length)).toEqual(prompt);
  const generated: number[] = [];
  for await (const piece of model.generate(prompt, { temperature: 0, maxTokens: ids.length - prompt.length }))
    if (piece.id !== undefined) generated.push(piece.id);
  expect(generated).toEqual(ids.slice(prompt.length));
});
