import { readGoldens } from '../../../fixtures/read.ts';
import { wasm } from '@mamba2/ssd-cpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend } from '@mamba2/core';
import { type GenerateOptions } from '../src/index.js';
import { collect, idsOf, loadTiny } from './support/models.js';

const PROMPT = [5, 17, 250, 3, 3, 99];
const SAMPLED: GenerateOptions = { temperature: 1.1, topK: 50, topP: 0.95, seed: 11, ignoreEos: true, maxTokens: 12 };

let backend: Backend;
beforeAll(async () => {
  backend = await wasm({ threads: 2, relaxedSimd: false });
});
afterAll(() => backend.dispose());

describe.each([
  'hf_mamba2_tiny',
  'hf_mamba2_bias_untied',
  'hf_mamba2_bf16_sharded',
  'hf_mamba1_tiny',
  'orig_mamba2_mlp',
  'orig_mamba1_layernorm',
  'orig_mamba2_layernorm',
])('%s on wasm', (name) => {
  test('continues greedily as the truth does', async () => {
    const truth = Array.from(readGoldens(`models/${name}/golden.safetensors`)['greedy']!.values);
    const tiny = await loadTiny(name, { backend });
    const ids = await idsOf(tiny, truth.slice(0, 8), { temperature: 0, maxTokens: truth.length - 8, ignoreEos: true });
    tiny.dispose();
    expect(ids).toEqual(truth.slice(8));
  });

  test('samples as the reference backend does', async () => {
    const [tiny, exact] = [await loadTiny(name, { backend }), await loadTiny(name)];
    expect(await idsOf(tiny, PROMPT, SAMPLED)).toEqual(await idsOf(exact, PROMPT, SAMPLED));
    tiny.dispose();
    exact.dispose();
  });
});

test.each(['q8', 'q4'] as const)('a model in %s blocks reads and goes on; its state may be split', async (dtype) => {
  const tiny = await loadTiny('hf_mamba2_tiny', { backend, dtype });
  const whole = await collect(tiny.generate(PROMPT, { ...SAMPLED, temperature: 0 }));
  const state = await tiny.prefill(PROMPT.slice(0, 3));
  const parts = await collect(tiny.generate(PROMPT.slice(3), { ...SAMPLED, temperature: 0, state }));
  expect(parts.map((piece) => piece.id)).toEqual(whole.map((piece) => piece.id));
  tiny.dispose();
});

test('two generations interleave and give what each gives alone', async () => {
  const tiny = await loadTiny('hf_mamba2_tiny', { backend });
  const prompts = [PROMPT, [9, 8, 7]];
  const alone = [await idsOf(tiny, prompts[0]!, SAMPLED), await idsOf(tiny, prompts[1]!, SAMPLED)];
  const both = await Promise.all(prompts.map((prompt) => idsOf(tiny, prompt, SAMPLED)));
  expect(both).toEqual(alone);
  tiny.dispose();
});

test('an abort ends reading and writing, and the backend goes on', async () => {
  const tiny = await loadTiny('hf_mamba2_tiny', { backend });
  const long = Array.from({ length: 5000 }, (_, i) => i % 300);
  const reading = new AbortController();
  const onProgress = () => reading.abort(new Error('enough read'));
  await expect(tiny.prefill(long, { signal: reading.signal, onProgress })).rejects.toThrow('enough read');
  const writing = new AbortController();
  const ids: (number | undefined)[] = [];
  const options = { ...SAMPLED, maxTokens: 500, signal: writing.signal };
  for await (const { id, stopped } of tiny.generate(PROMPT, options)) {
    ids.push(id);
    if (ids.length === 5) writing.abort(new Error('enough written'));
    if (stopped) expect(stopped).toBe('aborted');
  }
  expect(ids.length).toBeLessThan(20);
  const alone = await idsOf(tiny, PROMPT, SAMPLED);
  expect(alone.slice(0, 5)).toEqual(ids.slice(0, 5));
  tiny.dispose();
});
