import { expect, test } from 'vitest';
import { Fnv64 } from '../src/fingerprint.js';
import { loadTiny } from './support/models.js';

test('FNV-1a gives the published values', () => {
  const of = (text: string) => {
    const hash = new Fnv64();
    hash.add(new TextEncoder().encode(text));
    return hash.digest();
  };
  // From the test suite of the FNV draft (draft-eastlake-fnv, appendix C).
  expect([of(''), of('a'), of('foobar')]).toEqual(['cbf29ce484222325', 'af63dc4c8601ec8c', '85944171f73967e8']);
});

test('models are told apart, and the same checkpoint is always the same model', async () => {
  const names = [
    'hf_mamba2_tiny',
    'hf_mamba2_bias_untied',
    'hf_mamba2_bf16_sharded',
    'orig_mamba2_tiny',
    'hf_mamba1_tiny',
  ];
  const marks = await Promise.all([...names, 'hf_mamba2_tiny'].map(async (name) => (await loadTiny(name)).fingerprint));
  expect(marks.at(-1)).toBe(marks[0]);
  expect(new Set(marks).size).toBe(names.length);
});
