import { type Backend, flat, heads, type Sampler, split, type Stored, type Tensor, type Weight } from '@mamba2/core';
import { noise } from './measure.js';

/** A published shape of Mamba-2: p = 64, n = 128, one group, convolutions of 4, tied embeddings. */
export interface Shape {
  readonly name: string;
  readonly dModel: number;
  readonly layers: number;
  readonly vocab: number;
}

export const SHAPES: readonly Shape[] = [
  { name: 'tiny', dModel: 128, layers: 2, vocab: 1024 },
  { name: '130m', dModel: 768, layers: 24, vocab: 50288 },
  { name: '2.7b', dModel: 2560, layers: 64, vocab: 50288 },
];

const [P, N, WIDTH, EPS] = [64, 128, 4, 1e-5];

/** A model of random weights, and what it takes to run it. */
export interface RandomModel {
  readonly parameters: number;
  /** Bytes of weights that one step of decoding reads. */
  readonly bytes: number;
  /** Forgets everything. */
  reset(): void;
  /** ids (slots, l) → hidden (slots, l, dModel), advancing the states */
  hidden(ids: Tensor, lengths?: Tensor): Tensor;
  /** Logits of the last position. */
  logits(x: Tensor): Tensor;
  readonly sampler: Sampler;
}

/** Random weights of a shape, stored as f16, and the states of so many sequences. */
export function randomModel(backend: Backend, { dModel, layers, vocab }: Shape, slots = 1): RandomModel {
  const dInner = 2 * dModel;
  const h = dInner / P;
  const dConv = dInner + 2 * N;
  let parameters = 0;
  const matrix = (m: number, k: number): Weight => {
    parameters += m * k;
    return backend.weight(halves(m, k));
  };
  const vector = (k: number, at = 1) => backend.upload(noise(k, 0.1).map((v) => v + at));
  const embedding = matrix(vocab, dModel);
  const finalNorm = vector(dModel);
  const blocks = Array.from({ length: layers }, () => ({
    norm: vector(dModel),
    in_proj: matrix(2 * dInner + 2 * N + h, dModel),
    conv: { weight: backend.upload(noise(dConv * WIDTH), [dConv, WIDTH]), bias: vector(dConv, 0) },
    heads: { A: vector(h, -1), D: vector(h), dt_bias: vector(h, -3) },
    gatedNorm: vector(dInner),
    out_proj: matrix(dModel, dInner),
    conv_state: backend.zeros([slots, WIDTH - 1, dConv]),
    ssm_state: backend.zeros([slots, h, P, N]),
  }));
  const sampler: Sampler = {
    params: backend.upload(Array.from({ length: slots }, () => [0.8, 0, 1, 0.05, 1]).flat(), [slots, 5]),
    counter: backend.upload(
      Uint32Array.from({ length: 4 * slots }, (_, i) => (i % 4 === 2 ? i >> 2 : 0)),
      [slots, 4],
    ),
    seen: backend.zeros([slots, vocab], 'u32'),
    stops: backend.upload(new Int32Array(slots).fill(-1), [slots, 1]),
    active: backend.upload(new Int32Array(slots).fill(1)),
    token: backend.upload(new Int32Array(slots).fill(1)),
    logProb: backend.zeros([slots]),
    vocab,
  };

  function block(w: (typeof blocks)[number], u: Tensor, lengths: Tensor | undefined): Tensor {
    const zxbcdt = backend.linear(backend.rmsNorm(u, w.norm, { eps: EPS }), w.in_proj);
    const [z, xBC, dt] = split(zxbcdt, [dInner, dConv, h]) as [Tensor, Tensor, Tensor];
    const [x, B, C] = split(backend.causalConv1d(xBC, w.conv, w.conv_state, { lengths }), [dInner, N, N]) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const y = backend.ssd(heads(x, P), dt, heads(B, N), heads(C, N), w.heads, w.ssm_state, {
      dtSoftplus: true,
      lengths,
    });
    return backend.linear(backend.rmsNorm(flat(y), w.gatedNorm, { eps: EPS, gate: z }), w.out_proj, { residual: u });
  }

  return {
    parameters,
    bytes: 2 * parameters,
    sampler,
    reset() {
      backend.scope(() => {
        for (const w of blocks) {
          backend.copy(backend.zeros(w.conv_state.shape), w.conv_state);
          backend.copy(backend.zeros(w.ssm_state.shape), w.ssm_state);
        }
      });
    },
    hidden: (ids, lengths) =>
      backend.scope(() => {
        let u = backend.embed(ids, embedding);
        for (const w of blocks) u = backend.scope(() => block(w, u, lengths));
        return backend.rmsNorm(u, finalNorm, { eps: EPS });
      }),
    logits: (x) => backend.linear(x.shape[1] === 1 ? x : backend.last(x), embedding),
  };
}

/** A matrix of f16 between ±2⁻⁵ and ±2⁻⁴, large enough to matter after a norm and small enough not to grow. */
export function halves(m: number, k: number): Stored {
  const key = `${m},${k}`;
  if (!made.has(key)) made.set(key, newHalves(m, k));
  return made.get(key)!;
}

/** Layers of one model have the same shapes, and making numbers takes longer than uploading them. */
const made = new Map<string, Stored>();

function newHalves(m: number, k: number): Stored {
  const bits = new Uint16Array(m * k);
  let state = m ^ (k << 8) ^ 0x9e3779b9;
  for (let i = 0; i < bits.length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    bits[i] = ((state >>> 16) & 0x83ff) | (10 << 10);
  }
  return { dtype: 'f16', shape: [m, k], bytes: new Uint8Array(bits.buffer) };
}
