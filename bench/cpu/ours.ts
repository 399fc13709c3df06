import { type Backend, flat, heads, type Program, slice, split, type Tensor, type WeightFormat } from '@mamba2/core';
import { n, onBackend, p, type RandomModel, width } from './network.ts';

/** The model on our backend: feed ids, read the last position's logits. */
export function ours(backend: Backend, model: RandomModel, format: WeightFormat = 'stored') {
  const net = onBackend(backend, model, format);
  const { dInner, heads: h } = model;
  const eps = 1e-5;
  const states = net.layers.map(() => ({
    conv: backend.zeros([1, width - 1, dInner + 2 * n]),
    ssm: backend.zeros([1, h, p, n]),
  }));

  function layer(i: number, u: Tensor): Tensor {
    const w = net.layers[i]!;
    const state = states[i]!;
    const projected = backend.linear(backend.rmsNorm(u, w.norm, { eps }), w.in_proj.weight);
    const [z, xBC, dt] = split(projected, [dInner, dInner + 2 * n, h]) as [Tensor, Tensor, Tensor];
    const [x, B, C] = split(backend.causalConv1d(xBC, w.conv1d, state.conv), [dInner, n, n]) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const y = flat(backend.ssd(heads(x, p), dt, heads(B, n), heads(C, n), w, state.ssm, { dtSoftplus: true }));
    return backend.linear(backend.rmsNorm(y, w.gatedNorm, { eps, gate: z }), w.out_proj.weight, { residual: u });
  }

  function logits(ids: Tensor): Tensor {
    return backend.scope(() => {
      let u = backend.embed(ids, net.embedding);
      for (const i of net.layers.keys()) u = backend.scope(() => layer(i, u));
      return backend.linear(backend.rmsNorm(backend.last(u), net.norm_f, { eps }), net.embedding);
    });
  }

  const token = backend.zeros([1, 1], 'i32');
  const step: Program<Tensor> = backend.program(() => logits(token));
  return {
    async prefill(ids: Int32Array): Promise<Float32Array> {
      const out = backend.scope(() => logits(backend.upload(ids, [1, ids.length])));
      const values = (await backend.read(out)) as Float32Array;
      backend.free(out);
      return values;
    },
    async step(id: number): Promise<Float32Array> {
      backend.scope(() => backend.copy(backend.upload(Int32Array.of(id), [1, 1]), token));
      return (await backend.read(step.run())) as Float32Array;
    },
    /** Steps as a generation queues them: half of what may be under way goes off together, and of each step one number comes back, as a drawn token would. */
    async decode(count: number): Promise<void> {
      const { lookahead } = backend;
      const together = Math.max(1, lookahead / 2);
      const reads: Promise<unknown>[] = [];
      for (let i = 0; i < count; i++) {
        if (i % together === 0) await reads[i + together - 1 - lookahead];
        reads.push(backend.read(slice(step.run(), 2, 0, 1)));
      }
      await Promise.all(reads);
    },
    reset(): void {
      backend.scope(() => {
        for (const { conv, ssm } of states) {
          backend.copy(backend.zeros(conv.shape), conv);
          backend.copy(backend.zeros(ssm.shape), ssm);
        }
      });
    },
  };
}
