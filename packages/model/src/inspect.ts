import { type Backend, hostTensor, softplus, type Tensor } from '@mamba2/core';
import { padded } from './feed.js';
import { tensorsOf, zeroStates } from './mixer-state.js';
import { hidden, type Network } from './network.js';

/** What one Mamba-2 layer multiplies by: all that its matrix `M` is made of, on the host. */
export interface InspectedLayer {
  /** Which layer of the model. */
  layer: number;
  /** (1, l, h, p) */
  x: Tensor<Float64Array>;
  /** (1, l, h): Δ, after bias, softplus and clamp */
  dt: Tensor<Float64Array>;
  /** (h) */
  A: Tensor<Float64Array>;
  /** (1, l, g, n) */
  B: Tensor<Float64Array>;
  /** (1, l, g, n) */
  C: Tensor<Float64Array>;
  /** (1, l, h, p): `M x + D x`, gated where the layer has no norm */
  y: Tensor<Float64Array>;
}

/**
 * Runs the network over ids with a backend that writes down every `ssd`: operations name all they read and write, so watching them is
 * wrapping one method.
 */
export async function inspect<S>(network: Network<S>, ids: readonly number[]): Promise<InspectedLayer[]> {
  const { backend, config } = network;
  const taps: Promise<Omit<InspectedLayer, 'layer'>>[] = [];
  const host = async (t: Tensor<S>) => hostTensor(Float64Array.from(await backend.read(t)), [...t.shape]);
  const watching: Backend<S> = {
    ...backend,
    ssd(x, dt, B, C, w, state, options) {
      const y = backend.ssd(x, dt, B, C, w, state, options);
      const reads = Promise.all([
        host(x),
        host(dt),
        host(w.A),
        host(B),
        host(C),
        host(y),
        w.dt_bias && host(w.dt_bias),
      ]);
      taps.push(
        reads.then(([xs, raw, A, Bs, Cs, ys, bias]) => {
          const h = A.data.length;
          const [lo, hi] = options?.dtLimit ?? [0, Infinity];
          const delta = raw.data.map((v, i) => {
            const shifted = v + (bias ? bias.data[i % h]! : 0);
            return Math.min(Math.max(options?.dtSoftplus ? softplus(shifted) : shifted, lo), hi);
          });
          return { x: xs, dt: hostTensor(delta, raw.shape), A, B: Bs, C: Cs, y: ys };
        }),
      );
      return y;
    },
  };
  const states = zeroStates(network, 1, ids.length);
  try {
    backend.scope(() => void hidden({ ...network, backend: watching }, padded(network, [ids], ids.length), states));
  } finally {
    backend.free(...tensorsOf(states));
  }
  const mamba2Layers = config.layers.flatMap(({ mixer }, i) => (mixer.type === 'mamba2' ? [i] : []));
  return (await Promise.all(taps)).map((tap, i) => ({ layer: mamba2Layers[i]!, ...tap }));
}
