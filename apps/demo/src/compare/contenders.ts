/**
 * The three ways of mixing on one device: their inputs, one run of each, and what the first positions of its output have to be. SSM and SSD get
 * the same numbers and have to give the same answer: the selective scan takes the head's decay for each of its channels and states.
 */

import {
  type Backend,
  hostTensor,
  type HostTensor,
  softmaxAttention,
  softmaxMatrix,
  ssdChunked,
  ssdQuadratic,
  ssdRecurrent,
  slice,
  uniform,
} from '@mamba2/core';
import type { DeviceName, Form, Size } from './sizes.js';

/** Numbers, rounded to float32, so that every device has the same. */
export interface Inputs {
  readonly size: Size;
  /** (1, l, h, p) */
  readonly x: HostTensor;
  /** (1, l, h) */
  readonly dt: HostTensor;
  /** (h) */
  readonly A: HostTensor;
  /** (1, l, 1, n) */
  readonly B: HostTensor;
  readonly C: HostTensor;
  /** (1, l, h, p) */
  readonly queries: HostTensor;
  readonly keys: HostTensor;
}

export function inputsFor(size: Size): Inputs {
  const { l, n, p, h } = size;
  const numbers = (seed: number, shape: number[], low: number, high: number) => {
    const count = shape.reduce((product, d) => product * d);
    return hostTensor(
      Float32Array.from({ length: count }, (_, i) => low + (high - low) * uniform(seed, 0, i)),
      shape,
    );
  };
  return {
    size,
    x: numbers(1, [1, l, h, p], -1, 1),
    dt: numbers(2, [1, l, h], 0.001, 0.1),
    A: numbers(3, [h], -2, -0.5),
    B: numbers(4, [1, l, 1, n], -1, 1),
    C: numbers(5, [1, l, 1, n], -1, 1),
    queries: numbers(6, [1, l, h, p], -1, 1),
    keys: numbers(7, [1, l, h, p], -1, 1),
  };
}

/** A form on a device, ready to run. */
export interface Contender {
  /** Starts `times` runs and waits until the device has done them. */
  run(times: number): Promise<void>;
  /** The output of one run, (l · h · p). */
  output(): Promise<ArrayLike<number>>;
  /** The kernel in use, in words. */
  variant(): string;
  free(): void;
}

/** The plain loops of core, in float64, on this thread. */
export function onLoops(form: Form, inputs: Inputs): Contender {
  const { size } = inputs;
  const once = (): ArrayLike<number> => {
    if (form === 'ssm') return ssdRecurrent(inputs).y.data;
    if (form === 'ssd') return ssdChunked(ssdInput(inputs), { chunkLength: size.q }).y.data;
    return headByHead(inputs, size.l, (head) => softmaxAttention(head).data);
  };
  const variants: Record<Form, string> = {
    ssm: 'ssdRecurrent, float64',
    ssd: `ssdChunked, q = ${size.q}, float64`,
    attention: 'softmaxAttention, float64',
  };
  return {
    async run(times) {
      for (let i = 0; i < times; i++) kept = once();
    },
    output: async () => once(),
    variant: () => variants[form],
    free: () => {},
  };
}

/** The last result, so that no engine may find that nobody wants it. */
export let kept: ArrayLike<number> = [];

/** A form as an operation of a backend. Inputs stay on the device; a run ends when one number of its output has been read back. */
export function onBackend<S>(form: Form, inputs: Inputs, backend: Backend<S>): Contender {
  const { l, n, p, h } = inputs.size;
  const up = ({ data, shape }: HostTensor, as: readonly number[] = shape) => backend.upload(data, as);
  const held = form === 'attention' ? [inputs.queries, inputs.keys, inputs.x].map((t) => up(t)) : mixing();
  const operation = { ssm: 'selectiveScan', ssd: 'ssd', attention: 'attention' } as const;

  function mixing() {
    const { x, dt, A, B, C } = inputs;
    if (form === 'ssd') return [up(x), up(dt), up(B), up(C), up(A)];
    // Every channel of a head takes its Δ, and every state its A.
    const d = h * p;
    const wide = Float32Array.from(
      { length: l * d },
      (_, i) => dt.data[Math.floor(i / d) * h + Math.floor((i % d) / p)]!,
    );
    const rates = Float32Array.from({ length: d * n }, (_, i) => A.data[Math.floor(i / (n * p))]!);
    return [
      up(x, [1, l, d]),
      up(hostTensor(wide, [1, l, d])),
      up(B, [1, l, n]),
      up(C, [1, l, n]),
      up(hostTensor(rates, [d, n])),
    ];
  }

  const once = () => {
    const [a, b, c, d, e] = held;
    if (form === 'attention') return backend.attention(a!, b!, c!);
    return form === 'ssd' ? backend.ssd(a!, b!, c!, d!, { A: e! }) : backend.selectiveScan(a!, b!, c!, d!, { A: e! });
  };
  return {
    async run(times) {
      for (let i = 1; i < times; i++) backend.scope(() => void once());
      const y = backend.scope(once);
      let last = y;
      y.shape.forEach((size, axis) => (last = slice(last, axis, size - 1, size)));
      await backend.read(last);
      backend.free(y);
    },
    async output() {
      const y = backend.scope(once);
      const values = await backend.read(y);
      backend.free(y);
      return values;
    },
    variant: () => backend.describe().operations[operation[form]]?.variant ?? operation[form],
    free: () => backend.free(...held),
  };
}

/** Multiply-adds that finding the truth may take. */
const BUDGET = 2e8;

/** What the first positions have to be, in float64 and by another algorithm than the contender's where that is core's own. */
export interface Truth {
  /** How many positions. */
  readonly positions: number;
  /** (positions · h · p) */
  readonly values: ArrayLike<number>;
}

export function truthOf(form: Form, device: DeviceName, inputs: Inputs): Truth {
  const { l, n, p, h } = inputs.size;
  const quadratic = form === 'attention' || device === 'loops';
  const affordable = quadratic
    ? Math.sqrt((2 * BUDGET) / (h * ((form === 'attention' ? p : n) + p)))
    : BUDGET / (3 * h * n * p);
  const positions = Math.max(1, Math.min(l, Math.floor(affordable)));
  const first = ssdInput(inputs, positions);
  if (form !== 'attention')
    return { positions, values: (quadratic ? ssdQuadratic(first) : ssdRecurrent(first)).y.data };
  return {
    positions,
    values: headByHead(inputs, positions, ({ Q, K, V }) => {
      const W = softmaxMatrix({ Q, K }).data;
      const Y = new Float64Array(positions * p);
      for (let j = 0; j < positions; j++)
        for (let i = 0; i <= j; i++)
          for (let e = 0; e < p; e++) Y[j * p + e]! += W[j * positions + i]! * V.data[i * p + e]!;
      return Y;
    }),
  };
}

/** Relative L2 distance over the positions that the truth has. */
export function errorOf(output: ArrayLike<number>, { values }: Truth): number {
  let [missed, norm] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    missed += (output[i]! - values[i]!) ** 2;
    norm += values[i]! ** 2;
  }
  return Math.sqrt(missed / norm);
}

function ssdInput({ x, dt, A, B, C }: Inputs, positions = x.shape[1]!) {
  const cut = (t: HostTensor) => slice(t, 1, 0, positions);
  return { x: cut(x), dt: cut(dt), A, B: cut(B), C: cut(C) };
}

/** Softmax attention of each head by itself, gathered to (positions, h, p). */
function headByHead(
  { size: { p, h }, queries, keys, x }: Inputs,
  positions: number,
  attend: (head: { Q: HostTensor; K: HostTensor; V: HostTensor }) => ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(positions * h * p);
  for (let k = 0; k < h; k++) {
    const head = ({ data }: HostTensor) =>
      hostTensor(
        Float64Array.from({ length: positions * p }, (_, i) => data[(Math.floor(i / p) * h + k) * p + (i % p)]!),
        [positions, p],
      );
    const Y = attend({ Q: head(queries), K: head(keys), V: head(x) });
    for (let i = 0; i < positions * p; i++) out[(Math.floor(i / p) * h + k) * p + (i % p)] = Y[i]!;
  }
  return out;
}
