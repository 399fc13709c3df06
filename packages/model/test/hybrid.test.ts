import { fileURLToPath } from 'node:url';
import { type Backend } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { wasm } from '@mamba2/ssd-cpu';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as oracle from '../../core/test/support/oracles.js';
import { expectClose } from '../../core/test/support/expect-close.js';
import { goldens } from '../../../fixtures/read.ts';
import { type LoadOptions, Mamba2 } from '../src/index.js';
import { collect, idsOf } from './support/models.js';
import { randomCheckpoint } from './support/random-checkpoint.js';

const PROMPT = Array.from({ length: 40 }, (_, i) => (i * i + 7) % 300);
const GREEDY = { temperature: 0, ignoreEos: true } as const;
const SAMPLED = { temperature: 1, repetitionPenalty: 1.3, seed: 5, ignoreEos: true } as const;

/** Every option that the goldens leave out: Mamba-1 beside attention, an MLP in the mixer, half of the head rotated. */
const MIXED = {
  d_model: 24,
  n_layer: 3,
  vocab_size: 61,
  d_intermediate: 30,
  ssm_cfg: { layer: 'Mamba1', d_state: 4, dt_rank: 3 },
  attn_layer_idx: [1],
  attn_cfg: { causal: true, num_heads: 6, num_heads_kv: 2, head_dim: 8, mlp_dim: 200, d_conv: 3, rotary_emb_dim: 4 },
};

function load(name: string, options: LoadOptions = {}): Promise<Mamba2> {
  const source =
    name === 'mixed'
      ? { name, files: randomCheckpoint(MIXED).files }
      : fileURLToPath(new URL(`../goldens-hybrid/models/${name}/`, goldens));
  return Mamba2.load(source, { backend: 'reference', ...options });
}

test('an attention layer computes what its formula says, its MLP and convolution included', async () => {
  const attn_cfg = { ...MIXED.attn_cfg, rotary_emb_base: 100, rotary_emb_interleaved: true, softmax_scale: 0.4 };
  const { files, weights } = randomCheckpoint({
    ...MIXED,
    n_layer: 1,
    d_intermediate: 0,
    attn_layer_idx: [0],
    attn_cfg,
  });
  const model = await Mamba2.load({ name: 'one layer', files }, { backend: 'reference' });
  const ids = [5, 60, 3, 3, 17, 42, 0, 9, 9];
  const [l, d, V, h, g, p, mlp] = [ids.length, 24, 64, 6, 2, 8, 128];
  const w = (name: string) => weights[name]!;
  const mixer = (name: string) => w(`layers.0.mixer.${name}`);
  const columns = (t: Float64Array, from: number, to: number) => {
    const width = t.length / l;
    return Float64Array.from(t.filter((_, e) => e % width >= from && e % width < to));
  };

  const u = Float64Array.from(ids.flatMap((id) => [...w('embedding.weight').subarray(id * d, (id + 1) * d)]));
  const normed = oracle.rmsNorm(u, w('layers.0.norm.weight'), { eps: 1e-5 });
  const channels = (h + 2 * g) * p;
  const sizes = { rows: l, k: d, m: channels + 2 * mlp };
  const projected = oracle.linear(normed, mixer('in_proj.weight'), { ...sizes, bias: mixer('in_proj.bias') });
  const conv = { b: 1, l, k: channels, width: 3, weight: mixer('conv1d.weight'), bias: mixer('conv1d.bias') };
  const qkv = oracle.causalConv1d({ ...conv, x: columns(projected, 0, channels), activation: 'none' }).y;
  const [q, k, v] = [columns(qkv, 0, h * p), columns(qkv, h * p, (h + g) * p), columns(qkv, (h + g) * p, channels)];
  const rotary = { dim: 4, base: 100, interleaved: true };
  const { y } = oracle.attention({ l, h, g, p, q, k, v, scale: 0.4, rotary });
  const [x, gate] = [
    columns(projected, channels, channels + mlp),
    columns(projected, channels + mlp, channels + 2 * mlp),
  ];
  const beside = x.map((value, e) => value * oracle.silu(gate[e]!));
  const both = Float64Array.from({ length: l * (h * p + mlp) }, (_, e) => {
    const [t, at] = [Math.floor(e / (h * p + mlp)), e % (h * p + mlp)];
    return at < h * p ? y[t * h * p + at]! : beside[t * mlp + at - h * p]!;
  });
  const out = { rows: l, k: h * p + mlp, m: d, bias: mixer('out_proj.bias'), residual: u };
  const stream = oracle.linear(both, mixer('out_proj.weight'), out);
  const last = oracle.rmsNorm(stream, w('norm_f.weight'), { eps: 1e-5 });
  const want = oracle.linear(last, w('embedding.weight'), { rows: l, k: d, m: V });

  // Both in float64: sums of some hundred terms.
  expectClose((await model.forward(ids)).data, want, 1e-12);
  model.dispose();
});

describe.each(['orig_hybrid', 'orig_hybrid_gqa_mlp', 'mixed'])('%s', (name) => {
  let model: Mamba2;
  let ids: number[];
  beforeAll(async () => {
    model = await load(name);
    ids = PROMPT.map((id) => id % model.config.vocabSize);
  });
  afterAll(() => model.dispose());

  test('every split of a prompt gives the same state, bit for bit, whatever its capacity', async () => {
    const whole = await (await model.prefill(ids)).save();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: ids.length }), { maxLength: 4 }),
        fc.integer({ min: 39, max: 60 }),
        async (cuts, capacity) => {
          const state = model.newState({ capacity });
          const bounds = [0, ...cuts.sort((a, b) => a - b), ids.length];
          for (let i = 1; i < bounds.length; i++) await model.prefill(ids.slice(bounds[i - 1], bounds[i]), { state });
          expect(await state.save()).toEqual(whole);
          state.dispose();
        },
      ),
      { seed: 3, numRuns: 8 },
    );
  });

  test('decoding goes through the states that reading goes through', async () => {
    const state = await model.prefill(ids);
    const drawn = await idsOf(model, [], { ...GREEDY, maxTokens: 9, state });
    expect(await idsOf(model, ids, { ...GREEDY, maxTokens: 9 })).toEqual(drawn);
    const read = await model.prefill([...ids, ...drawn], { drawn: 9 });
    expect(await state.save()).toEqual(await read.save());
    expect(state.length).toBe(49);
  });

  test('saved, loaded, forked into another size: it goes on as it would have', async () => {
    const state = await model.prefill(ids);
    await idsOf(model, [], { ...SAMPLED, maxTokens: 4, state });
    const file = await state.save();
    const other = await load(name);
    const loaded = await other.loadState(file, { capacity: 60 });
    expect(loaded.capacity).toBe(60);
    expect((await other.loadState(file)).capacity).toBe(43 + 2048);
    expect(await loaded.save()).toEqual(file);
    const larger = state.fork({ capacity: 99 });
    expect(await larger.save()).toEqual(file);
    const next = await idsOf(model, [7], { ...SAMPLED, maxTokens: 5, state: larger });
    expect(await idsOf(other, [7], { ...SAMPLED, maxTokens: 5, state: loaded })).toEqual(next);
    expect(await state.save()).toEqual(file);
    other.dispose();
  });

  test('forward in two parts equals forward in one, and what is scored', async () => {
    const state = model.newState({ capacity: 40 });
    const first = await model.forward(ids.slice(0, 13), { state });
    const second = await model.forward(ids.slice(13), { state });
    expect([...first.data, ...second.data]).toEqual([...(await model.forward(ids)).data]);
  });

  test('prompts of different lengths in one batch, each as alone', async () => {
    const prompts = [ids, ids.slice(3, 9), ids.slice(20)];
    const alone = await Promise.all(
      prompts.map((prompt, i) => idsOf(model, prompt, { ...SAMPLED, sequence: i, maxTokens: 6 })),
    );
    const together = await collect(model.generate(prompts, { ...SAMPLED, maxTokens: 6 }));
    expect(alone).toEqual(prompts.map((_, i) => together.filter((p) => p.sequence === i).map((p) => p.id)));
  });
});

test('a backend without attention refuses a hybrid by name, before it loads anything', async () => {
  const exact = reference() as Backend;
  const without: Backend = { ...exact, describe: () => ({ ...exact.describe(), operations: {} }) };
  await expect(load('orig_hybrid', { backend: without })).rejects.toThrow(/attention layers on the reference backend/);
  const pure = fileURLToPath(new URL('models/orig_mamba2_tiny/', goldens));
  (await Mamba2.load(pure, { backend: without })).dispose();
});

describe('a state that is full', () => {
  let model: Mamba2;
  beforeAll(async () => {
    model = await load('orig_hybrid');
  });
  afterAll(() => model.dispose());

  test('refuses more before anything is done, and says how to go on', async () => {
    const state = await model.prefill(PROMPT.slice(0, 8), { capacity: 9 });
    const before = await state.save();
    const error = (await model.prefill(PROMPT, { state }).catch((e: unknown) => e)) as Error;
    expect(error.message).toMatchInlineSnapshot(
      `"the state is full: the attention layers of this model keep every position; given: 40 positions more than 7; expected: at most 9 in all; to mend it: go on from fork({ capacity }) with a larger capacity"`,
    );
    await expect(model.forward(PROMPT.slice(0, 3), { state })).rejects.toThrow('the state is full');
    expect(() => model.generate(PROMPT, { state })).toThrow('the state is full');
    await expect(model.prefill(PROMPT, { capacity: 12 })).rejects.toThrow('the state is full');
    expect(await state.save()).toEqual(before);
    await model.prefill(PROMPT, { state: state.fork({ capacity: 50 }) });
  });

  test('ends a generation, the last position used', async () => {
    const state = await model.prefill(PROMPT.slice(0, 8), { capacity: 12 });
    const pieces = await collect(model.generate([], { ...GREEDY, maxTokens: 50, state }));
    // 7 tokens are held and one is pending: five more are fed until the twelfth, and the last one drawn stays pending.
    expect(pieces.map((piece) => piece.id)).toEqual(
      await idsOf(model, PROMPT.slice(0, 8), { ...GREEDY, maxTokens: 5 }),
    );
    expect(pieces.at(-1)!.stopped).toBe('capacity');
    expect(state.length).toBe(13);
    expect(() => model.generate([], { state })).toThrow('the state is full');
    expect(await idsOf(model, [], { ...GREEDY, maxTokens: 2, state: state.fork({ capacity: 14 }) })).toHaveLength(2);
  });

  test('has a size that its capacity decides, and not its length', async () => {
    const [empty, held] = [model.newState({ capacity: 50 }), await model.prefill(PROMPT, { capacity: 50 })];
    expect(held.byteLength).toBe(empty.byteLength);
    // Per position and attention layer 2 · 4 heads of 16 in float64, and one row of the 16 turns for both.
    const larger = model.newState({ capacity: 51 });
    expect(larger.byteLength - empty.byteLength).toBe(8 * (2 * 2 * 64 + 16));
    expect(() => model.newState({ capacity: 0 })).toThrow('capacity');
    expect(() => held.fork({ capacity: 38 })).toThrow('capacity');
  });
});

describe('on wasm, with steps in flight', () => {
  test.each(['orig_hybrid', 'orig_hybrid_gqa_mlp', 'mixed'])('%s draws and stops as on the reference', async (name) => {
    const backend = await wasm({ threads: 2, relaxedSimd: false });
    const [model, exact] = [await load(name, { backend }), await load(name)];
    const ids = PROMPT.map((id) => id % model.config.vocabSize);
    const options = { ...SAMPLED, maxTokens: 12 };
    expect(await idsOf(model, ids, options)).toEqual(await idsOf(exact, ids, options));
    // Left early, four steps ahead: the states go back to what was yielded.
    const [state, same] = [await model.prefill(ids, { capacity: 48 }), await model.prefill(ids)];
    const yielded: number[] = [];
    for await (const { id } of model.generate([], { ...options, state })) if (yielded.push(id!) === 5) break;
    expect(state.length).toBe(45);
    await model.prefill(yielded, { state: same, drawn: 5 });
    const rest = { ...options, maxTokens: 3 };
    expect(await idsOf(model, [], { ...rest, state })).toEqual(await idsOf(model, [], { ...rest, state: same }));
    // Into the end of the cache, with steps in flight behind it.
    const [small, large] = [await model.prefill(ids, { capacity: 43 }), await model.prefill(ids)];
    const last = await collect(model.generate([], { ...options, state: small }));
    expect(last.at(-1)!.stopped).toBe('capacity');
    expect(last.map((piece) => piece.id)).toEqual(await idsOf(model, [], { ...options, maxTokens: 4, state: large }));
    model.dispose();
    exact.dispose();
    backend.dispose();
  });
});
