import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { n, p } from '../cpu/network.ts';

/** As much of jax-js as is used here. An operation consumes its operands; `ref` keeps one for another use. */
interface Arr {
  readonly ref: Arr;
  reshape(shape: readonly number[]): Arr;
  transpose(axes: readonly number[]): Arr;
  slice(...index: readonly (readonly number[])[]): Arr;
  add(other: Arr): Arr;
  sub(other: Arr): Arr;
  mul(other: Arr): Arr;
  equal(other: number): Arr;
  data(): Promise<Float32Array>;
}
interface Jax {
  init(device: 'webgpu'): Promise<unknown>;
  defaultDevice(device: 'webgpu'): void;
  jit<F>(fn: F): F;
  readonly numpy: {
    array(values: Float32Array): Arr;
    ones(shape: readonly number[]): Arr;
    tril(a: Arr, k?: number): Arr;
    exp(a: Arr): Arr;
    cumsum(a: Arr, axis: number): Arr;
    where(condition: Arr, a: Arr | number, b: number): Arr;
    einsum(...operands: readonly (Arr | readonly number[])[]): Arr;
  };
}

/** jax-js on WebGPU. @throws if it is not installed */
export async function loadJax(): Promise<Jax> {
  const require = createRequire(new URL('../peers/package.json', import.meta.url));
  const jax = (await import(pathToFileURL(require.resolve('@jax-js/jax')).href)) as Jax;
  await jax.init('webgpu');
  jax.defaultDevice('webgpu');
  return jax;
}

/** The axes of the sums below, as einsum wants them. */
const [c, i, j, h, P, N, d] = [0, 1, 2, 3, 4, 5, 6];

/**
 * SSD in chunks of q, as the paper's listing 1 has it: the products inside chunks, the states that chunks leave, their recurrence as one product
 * with a matrix of decays, and what they add. x comes times Δ, decays as logarithms. Compiled once by `jit`.
 */
export function jaxSsd({ jit, numpy: np }: Jax, l: number, heads: number, q = 64) {
  const chunks = l / q;
  const { einsum } = np;
  /** exp(a) where i − j ≥ −k, else 0; never the exponential of what is masked out. */
  const lowerExp = (a: Arr, size: number, k: number): Arr => {
    const mask = np.tril(np.ones([size, size]), k).equal(1);
    return np.where(mask.ref, np.exp(np.where(mask, a, 0)), 0);
  };
  const all = [] as const;
  const forward = jit((x: Arr, logs: Arr, B: Arr, C: Arr): Arr => {
    const a = np.cumsum(logs.reshape([chunks, q, heads]).transpose([2, 0, 1]), 2);
    const L = lowerExp(a.ref.reshape([heads, chunks, q, 1]).sub(a.ref.reshape([heads, chunks, 1, q])), q, 0);
    const M = einsum(C.ref, [c, i, N], B.ref, [c, j, N], [c, i, j]).mul(L);
    const inside = einsum(M, [h, c, i, j], x.ref, [c, j, h, P], [c, i, h, P]);
    const total = a.ref.slice(all, all, [q - 1, q]);
    const left = np.exp(total.ref.sub(a.ref)).transpose([1, 2, 0]).reshape([chunks, q, heads, 1]);
    const states = einsum(B, [c, j, N], x.mul(left), [c, j, h, P], [c, h, P, N]);
    // Into chunk d, from chunk c < d: the decay over all chunks between.
    const sums = np.cumsum(total.reshape([heads, chunks]), 1);
    const own = between(sums, np, heads, chunks);
    const carried = lowerExp(own, chunks, -1);
    const before = einsum(carried, [h, d, c], states, [c, h, P, N], [d, h, P, N]);
    const off = einsum(C, [c, i, N], before, [c, h, P, N], [c, i, h, P]);
    return inside.add(off.mul(np.exp(a).transpose([1, 2, 0]).reshape([chunks, q, heads, 1])));
  });
  return async (inputs: Record<'C' | 'B' | 'x' | 'decay', Float32Array>): Promise<Float32Array> => {
    const up = (values: Float32Array, shape: readonly number[]) => np.array(values).reshape(shape);
    const y = forward(
      up(inputs.x, [chunks, q, heads, p]),
      up(inputs.decay, [l, heads]),
      up(inputs.B, [chunks, q, n]),
      up(inputs.C, [chunks, q, n]),
    );
    return y.data();
  };
}

/** Σ of the logarithms of chunks c + 1 … d − 1, from their running sums, as (h, d, c). */
function between(sums: Arr, np: Jax['numpy'], heads: number, chunks: number): Arr {
  const upTo = sums.ref.reshape([heads, 1, chunks]);
  // The running sum up to chunk d − 1: that up to d without d's own.
  const shifted = np.einsum(
    np.tril(np.ones([chunks, chunks]), -1).sub(np.tril(np.ones([chunks, chunks]), -2)),
    [d, c],
    sums,
    [h, c],
    [h, d],
  );
  return shifted.reshape([heads, chunks, 1]).sub(upTo);
}
