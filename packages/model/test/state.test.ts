import { CheckpointError, type Mamba2Error } from '@mamba2/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Mamba2 } from '../src/index.js';
import { idsOf, loadTiny } from './support/models.js';

const PROMPT = Array.from({ length: 90 }, (_, i) => (i * i + 7) % 300);
const GREEDY = { temperature: 0, maxTokens: 6, ignoreEos: true } as const;

let model: Mamba2;
beforeAll(async () => {
  model = await loadTiny();
});
afterAll(() => model.dispose());

describe.each(['hf_mamba2_tiny', 'orig_mamba2_groups_f16', 'hf_mamba1_tiny'])('%s', (name) => {
  test('every split of a prompt gives the same state, bit for bit', async () => {
    const tiny = await loadTiny(name);
    const whole = await (await tiny.prefill(PROMPT)).save();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: PROMPT.length }), { maxLength: 4 }), async (cuts) => {
        const state = tiny.newState();
        const bounds = [0, ...cuts.sort((a, b) => a - b), PROMPT.length];
        for (let i = 1; i < bounds.length; i++) await tiny.prefill(PROMPT.slice(bounds[i - 1], bounds[i]), { state });
        expect(await state.save()).toEqual(whole);
        state.dispose();
      }),
      { numRuns: 12 },
    );
    tiny.dispose();
  });
});

test('the size does not depend on the length', async () => {
  const [empty, long] = [model.newState(), await model.prefill(PROMPT)];
  expect(long.byteLength).toBe(empty.byteLength);
  expect(long.length).toBe(90);
  // 3 layers of 8 heads of 16 × 16 and 3 past inputs of 160 channels, in float64.
  expect(empty.byteLength).toBe(3 * 8 * (8 * 16 * 16 + 3 * 160));
});

test('a fork goes its own way', async () => {
  const state = await model.prefill(PROMPT);
  const before = await state.save();
  const fork = state.fork();
  await model.prefill([1, 2, 3], { state: fork });
  expect(await state.save()).toEqual(before);
  expect(await fork.save()).toEqual(await (await model.prefill([...PROMPT, 1, 2, 3])).save());
});

test('a saved state goes on elsewhere as it would have here', async () => {
  const state = await model.prefill(PROMPT);
  const options = { temperature: 1, repetitionPenalty: 1.5, seed: 3, maxTokens: 5, ignoreEos: true };
  await idsOf(model, [], { ...options, state });
  const file = await state.save();
  const other = await loadTiny();
  const loaded = await other.loadState(file);
  expect(await loaded.save()).toEqual(file);
  expect(await idsOf(other, [], { ...options, state: loaded })).toEqual(await idsOf(model, [], { ...options, state }));
});

test('forward in two parts equals forward in one', async () => {
  const state = model.newState();
  const first = await model.forward(PROMPT.slice(0, 31), { state });
  const second = await model.forward(PROMPT.slice(31), { state });
  const whole = await model.forward(PROMPT);
  expect([...first.data, ...second.data]).toEqual([...whole.data]);
  expect(whole.shape).toEqual([90, 300]);
  expect(await idsOf(model, [1], { ...GREEDY, state })).toEqual(await idsOf(model, [...PROMPT, 1], GREEDY));
});

test('an aborted prefill leaves the state as it was', async () => {
  const state = await model.prefill([1, 2, 3]);
  const before = await state.save();
  const control = new AbortController();
  const read = model.prefill(PROMPT, {
    state,
    signal: control.signal,
    onProgress: () => control.abort(new Error('enough')),
  });
  await expect(read).rejects.toThrowError('enough');
  expect(await state.save()).toEqual(before);
});

describe('bad states', () => {
  test('of another model', async () => {
    const other = await loadTiny('hf_mamba2_bias_untied');
    const saved = await other.newState().save();
    await expect(model.loadState(saved)).rejects.toThrowError(
      /the state belongs to another model; given: model [0-9a-f]{16}; expected: [0-9a-f]{16}/,
    );
    await expect(model.generate([1], { state: other.newState() }).next()).rejects.toThrowError(
      'the state belongs to another model',
    );
  });

  test('mutated in any byte: equal, or a typed error', async () => {
    const saved = await (await model.prefill([1, 2, 3])).save();
    // The header is where a change can mislead; the tensors' bytes are free to be any numbers.
    const headerEnd = 8 + new DataView(saved.buffer, saved.byteOffset).getUint32(0, true);
    const edits = fc.array(fc.tuple(fc.nat(headerEnd + 64), fc.nat(255)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(edits, fc.option(fc.nat(saved.length)), async (changes, cut) => {
        const bytes = Uint8Array.from(saved.subarray(0, cut ?? saved.length));
        for (const [at, value] of changes) bytes[at] = value;
        try {
          (await model.loadState(bytes)).dispose();
        } catch (error) {
          expect(['CheckpointError', 'UnsupportedError', 'ShapeError']).toContain((error as Mamba2Error).name);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('another kind of file', async () => {
    await expect(model.loadState(new TextEncoder().encode('Once upon a time'))).rejects.toThrowError(CheckpointError);
  });
});

test('tokens that were drawn, fed again, leave the random generator where it stood', async () => {
  const options = { temperature: 1, seed: 9, maxTokens: 6, ignoreEos: true };
  const state = await model.prefill(PROMPT);
  const first = await idsOf(model, [], { ...options, state });
  const next = await idsOf(model, [], { ...options, state });
  const again = await model.prefill(PROMPT);
  await model.prefill(first, { state: again, drawn: first.length });
  expect(await idsOf(model, [], { ...options, state: again })).toEqual(next);
  await expect(model.prefill([1], { state: again, drawn: 2 })).rejects.toThrow(/drawn/);
});
