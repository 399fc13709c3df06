import { type Backend, type Stored, stored, type WeightFormat } from '@mamba2/core';

/** Sizes of a Mamba-2 language model with one group, p = 64 and n = 128. */
export interface Sizes {
  readonly name: string;
  readonly dModel: number;
  readonly layers: number;
  readonly vocab: number;
}

export const small: Sizes = { name: 'small', dModel: 256, layers: 4, vocab: 4096 };
/** Those of mamba2-130m. */
export const m129: Sizes = { name: '129m', dModel: 768, layers: 24, vocab: 50288 };

export const p = 64;
export const n = 128;
export const width = 4;

/** Named matrices and vectors of one model; the same numbers for us and for every peer. */
export interface RandomModel extends Sizes {
  readonly dInner: number;
  readonly heads: number;
  readonly embedding: Float32Array;
  readonly norm: Float32Array;
  readonly layer: readonly RandomLayer[];
}

export interface RandomLayer {
  readonly norm: Float32Array;
  /** (2 dInner + 2 n + heads, dModel) */
  readonly inProj: Float32Array;
  /** (dInner + 2 n, width) */
  readonly conv: Float32Array;
  readonly convBias: Float32Array;
  readonly A: Float32Array;
  readonly D: Float32Array;
  readonly dtBias: Float32Array;
  readonly gatedNorm: Float32Array;
  /** (dModel, dInner) */
  readonly outProj: Float32Array;
}

/** A model with random weights of the sizes that trained ones have. */
export function randomModel(sizes: Sizes): RandomModel {
  const { dModel, layers, vocab } = sizes;
  const dInner = 2 * dModel;
  const heads = dInner / p;
  let state = 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  // A sum of uniform numbers is near enough to a normal one.
  const random = (count: number, deviation: number) =>
    Float32Array.from({ length: count }, () => (next() + next() + next() - 1.5) * 2 * deviation);
  const around = (count: number, from: number, to: number) =>
    Float32Array.from({ length: count }, () => from + (to - from) * next());
  return {
    ...sizes,
    dInner,
    heads,
    embedding: random(vocab * dModel, 0.02),
    norm: around(dModel, 0.9, 1.1),
    layer: Array.from({ length: layers }, () => ({
      norm: around(dModel, 0.9, 1.1),
      inProj: random((2 * dInner + 2 * n + heads) * dModel, 1 / Math.sqrt(dModel)),
      conv: random((dInner + 2 * n) * width, 0.5),
      convBias: random(dInner + 2 * n, 0.1),
      A: around(heads, -16, -1),
      D: around(heads, 0.5, 1.5),
      dtBias: around(heads, -6.9, -2.3),
      gatedNorm: around(dInner, 0.9, 1.1),
      outProj: random(dModel * dInner, 1 / Math.sqrt(dInner * layers)),
    })),
  };
}

/** The same model on a backend: as `@mamba2/model` computes it, from the operations alone. */
export function onBackend<S>(backend: Backend<S>, model: RandomModel, format: WeightFormat = 'stored') {
  const { dModel, dInner, heads: h, vocab } = model;
  const matrix = (values: Float32Array, shape: readonly [number, number]): Stored => stored(values, shape);
  const layers = model.layer.map((w) => ({
    norm: backend.upload(w.norm),
    in_proj: { weight: backend.weight(matrix(w.inProj, [2 * dInner + 2 * n + h, dModel]), { format }) },
    conv1d: { weight: backend.upload(w.conv, [dInner + 2 * n, width]), bias: backend.upload(w.convBias) },
    A: backend.upload(w.A),
    D: backend.upload(w.D),
    dt_bias: backend.upload(w.dtBias),
    gatedNorm: backend.upload(w.gatedNorm),
    out_proj: { weight: backend.weight(matrix(w.outProj, [dModel, dInner]), { format }) },
  }));
  const embedding = backend.weight(matrix(model.embedding, [vocab, dModel]), { format });
  const norm_f = backend.upload(model.norm);
  return { layers, embedding, norm_f };
}
