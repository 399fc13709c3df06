import { readFileSync } from 'node:fs';
import { type Backend, CheckpointError, type Tensor, type Weight } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { describe, expect, test } from 'vitest';
import { goldens } from '../../../fixtures/read.ts';
import type { LoadOptions, LoadProgress } from '../src/index.js';
import { loadTiny } from './support/models.js';

/** The reference backend, keeping account of what was made and not yet freed. */
function accounted(): { backend: Backend; alive: Set<unknown>; failAfter(n: number): void } {
  const backend = reference() as Backend;
  const alive = new Set<unknown>();
  let left = Infinity;
  const made = <T>(thing: T): T => {
    if (left-- <= 0) throw new Error('out of memory');
    alive.add(thing);
    return thing;
  };
  const watched: Backend = {
    ...backend,
    upload: (values, shape) => made(backend.upload(values, shape)),
    weightFrom: async (matrix, options) => made(await backend.weightFrom(matrix, options)),
    free: (...things: readonly (Tensor | Weight)[]) => {
      for (const thing of things) alive.delete(thing);
      backend.free(...things);
    },
  };
  return { backend: watched, alive, failAfter: (n) => void (left = n) };
}

test('progress grows to the size of the checkpoint, tensor by tensor', async () => {
  const seen: LoadProgress[] = [];
  const model = await loadTiny('hf_mamba2_bf16_sharded', { onProgress: (progress) => seen.push(progress) });
  expect(seen.at(-1)).toMatchObject({ loaded: model.byteLength, total: model.byteLength });
  expect(seen.every(({ loaded }, i) => i === 0 || loaded > seen[i - 1]!.loaded)).toBe(true);
  expect(new Set(seen.map(({ tensor }) => tensor)).size).toBe(seen.length);
  // 300 × 64 embedded, and per layer what the layout of a Mamba-2 mixer of this size has, at 2 bytes each.
  expect(model.byteLength).toBe(2 * model.parameters);
});

describe('nothing is left behind', () => {
  test('when a tensor cannot be made', async () => {
    const { backend, alive, failAfter } = accounted();
    failAfter(9);
    await expect(loadTiny('hf_mamba2_tiny', { backend })).rejects.toThrowError('out of memory');
    expect(alive.size).toBe(0);
  });

  test('when loading is aborted half way', async () => {
    const { backend, alive } = accounted();
    const control = new AbortController();
    const onProgress = ({ loaded, total }: LoadProgress) => {
      if (loaded > total / 2) control.abort(new Error('enough'));
    };
    await expect(loadTiny('hf_mamba2_tiny', { backend, signal: control.signal, onProgress })).rejects.toThrowError(
      'enough',
    );
    expect(alive.size).toBe(0);
  });

  test('when a model is disposed', async () => {
    const { backend, alive } = accounted();
    const model = await loadTiny('orig_mamba2_mlp', { backend });
    expect(alive.size).toBeGreaterThan(20);
    model.dispose();
    expect(alive.size).toBe(0);
  });
});

describe('is refused', () => {
  test('a tokenizer with more tokens than the embedding has rows', async () => {
    const tokenizer = readFileSync(new URL('tokenizers/bytelevel.json', goldens), 'utf8');
    const error = (await loadTiny('hf_mamba2_tiny', { tokenizer }).catch((e: unknown) => e)) as Error;
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatchInlineSnapshot(
      `"the tokenizer has more tokens than the embedding has rows; given: 1024 tokens; expected: at most 300; to mend it: use the tokenizer that belongs to this checkpoint"`,
    );
  });

  test('a weight format that does not exist', async () => {
    const dtype = 'q3' as 'q4';
    await expect(loadTiny('hf_mamba2_tiny', { dtype })).rejects.toThrowError(
      'dtype; given: "q3"; expected: one of "stored", "f32", "f16", "bf16", "q8", "q4"',
    );
  });

  test('an option or a backend that does not exist', async () => {
    await expect(loadTiny('hf_mamba2_tiny', { quantize: 'q8' } as LoadOptions)).rejects.toThrowError(
      'load has no option "quantize"',
    );
    await expect(loadTiny('hf_mamba2_tiny', { backend: 'abacus' as 'reference' })).rejects.toThrowError('"abacus"');
  });
});
