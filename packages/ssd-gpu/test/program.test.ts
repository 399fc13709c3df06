import { type Backend, stored, type Tensor } from '@mamba2/core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { webgpu } from '../src/index.js';
import { countingAdapter, type Counts } from './support/counting.js';

const [dModel, h, p, n, g, V, layers] = [32, 4, 16, 16, 1, 48, 3];
const dInner = h * p;
const dConv = dInner + 2 * g * n;

/** What steady-state decoding costs, counted at WebGPU's own interface. */
const everywhere = inject('gpuDrivers').flatMap((name) => [
  { name, buffers: 'all' },
  { name, buffers: 8 },
]);
describe.each(everywhere)('decoding on $name with $buffers storage buffers a shader', ({ name, buffers }) => {
  const fewest = buffers === 8;
  let counts: Counts;
  let backend: Backend;
  beforeAll(async () => {
    const counted = await countingAdapter(name);
    counts = counted.counts;
    backend = await webgpu({
      adapter: counted.adapter,
      ...(fewest && { limits: { maxStorageBuffersPerShaderStage: 8 } }),
    });
  });
  afterAll(() => backend.dispose());

  /** A Mamba-2 of three small layers, decoding one token. */
  function decoder() {
    const random = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(7 * i + size) / 4);
    const matrix = (m: number, k: number) => backend.weight(stored(random(m * k), [m, k]));
    const vector = (k: number) => backend.upload(random(k));
    const weights = Array.from({ length: layers }, () => ({
      norm: vector(dModel),
      in_proj: matrix(2 * dInner + 2 * g * n + h, dModel),
      conv: { weight: backend.upload(random(dConv * 4), [dConv, 4]), bias: vector(dConv) },
      heads: { A: backend.upload(new Float32Array(h).fill(-1)), D: vector(h), dt_bias: vector(h) },
      gatedNorm: vector(dInner),
      out_proj: matrix(dModel, dInner),
      convState: backend.zeros([1, 3, dConv]),
      state: backend.zeros([1, h, p, n]),
    }));
    const embedding = matrix(V, dModel);
    const finalNorm = vector(dModel);
    const ids = backend.upload(Int32Array.of(1));
    const sampler = {
      params: backend.upload([0.8, 0, 1, 0.05, 1.1], [1, 5]),
      counter: backend.zeros([1, 4], 'u32'),
      seen: backend.zeros([1, V], 'u32'),
      stops: backend.upload(Int32Array.of(-1), [1, 1]),
      active: backend.upload(Int32Array.of(1)),
      token: ids,
      logProb: backend.zeros([1]),
      vocab: V,
    };
    const view = (t: Tensor, shape: number[], offset: number): Tensor => ({
      ...t,
      shape,
      strides: shape.map((_, i) => (i < 2 ? t.strides[i]! : shape.slice(i + 1).reduce((a, b) => a * b, 1))),
      offset: t.offset + offset,
    });
    const step = () => {
      let u = backend.embed({ ...ids, shape: [1, 1], strides: [1, 1] }, embedding);
      for (const w of weights) {
        u = backend.scope(() => {
          const zxbcdt = backend.linear(backend.rmsNorm(u, w.norm, { eps: 1e-5 }), w.in_proj);
          const xBC = backend.causalConv1d(view(zxbcdt, [1, 1, dConv], dInner), w.conv, w.convState, {
            lengths: sampler.active,
          });
          const y = backend.ssd(
            view(xBC, [1, 1, h, p], 0),
            view(zxbcdt, [1, 1, h], dInner + dConv),
            view(xBC, [1, 1, g, n], dInner),
            view(xBC, [1, 1, g, n], dInner + g * n),
            w.heads,
            w.state,
            { dtSoftplus: true, lengths: sampler.active },
          );
          const flat = { ...y, shape: [1, 1, dInner], strides: [dInner, dInner, 1] };
          const gate = view(zxbcdt, [1, 1, dInner], 0);
          return backend.linear(backend.rmsNorm(flat, w.gatedNorm, { eps: 1e-5, gate }), w.out_proj, { residual: u });
        });
      }
      const logits = backend.linear(backend.rmsNorm(u, finalNorm, { eps: 1e-5 }), embedding);
      backend.sample(logits, sampler);
    };
    return { step, sampler };
  }

  it(
    'creates and uploads nothing once it runs, and dispatches three times a layer, four where buffers are few',
    { timeout: 120_000 },
    async () => {
      const { step, sampler } = decoder();
      const program = backend.program(step);
      const token = async () => {
        program.run();
        const [id] = await Promise.all([backend.read(sampler.token), backend.read(sampler.logProb)]);
        return id![0]!;
      };
      await token();
      // The first token asks for all its pipelines before it waits for one.
      expect(counts.compiling).toBe(counts.created.createComputePipelineAsync);
      for (let i = 0; i < 2; i++) await token();
      counts.reset();
      const steps = 5;
      const drawn: number[] = [];
      for (let i = 0; i < steps; i++) drawn.push(await token());
      expect(drawn.every((id) => id >= 0 && id < V)).toBe(true);
      expect(counts.created).toEqual({
        createBindGroup: 0,
        createBuffer: 0,
        writeBuffer: 0,
        createComputePipelineAsync: 0,
      });
      // Embedding, logits with the last norm folded in, and three for the sampler stand outside the layers.
      expect(counts.dispatches / steps).toBe(fewest ? 4 * layers + 6 : 3 * layers + 5);
      expect(counts.mapped / steps).toBe(64);
    },
  );

  it('keeps its memory over many steps', { timeout: 120_000 }, async () => {
    const { step, sampler } = decoder();
    const program = backend.program(step);
    program.run();
    await backend.read(sampler.token);
    counts.reset();
    for (let i = 0; i < 200; i++) {
      program.run();
      if (i % 50 === 49) await backend.read(sampler.token);
    }
    expect(counts.created.createBuffer).toBe(0);
  });

  it('is the same program when it is longer than any list that is not recorded, and leaves in pieces', async () => {
    const [sum, one] = [backend.upload([1, 2, 3]), backend.upload([1, 1, 1])];
    const program = backend.program(() => {
      let last: Tensor = sum;
      for (let i = 0; i < 5000; i++) last = backend.scope(() => backend.add(last, one));
      backend.copy(last, sum);
    });
    for (let run = 1; run <= 3; run++) {
      program.run();
      expect([...(await backend.read(sum))]).toEqual([1, 2, 3].map((v) => v + 5000 * run));
    }
    program.dispose();
    backend.free(sum, one);
  });
});
