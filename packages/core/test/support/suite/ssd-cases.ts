import type { Backend, SsdOptions, SsdWeights, Tensor } from '../../../src/index.js';
import type * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { ints, run } from './context.js';

type Shape = Pick<oracle.Ssd, 'b' | 'l' | 'h' | 'p' | 'g' | 'n'>;
type Case = oracle.Ssd & { x: Float64Array; dt: Float64Array; B: Float64Array; C: Float64Array };

/** A layer's input as models have them: Δ of 0.001 … 0.2, A of −0.5 … −8. */
export function randomSsd(seed: number, shape: Shape): Case {
  const { b, l, h, p, g, n } = shape;
  const random = randomInputs(seed);
  return {
    ...shape,
    x: random.normal(b * l * h * p),
    dt: random.uniform(b * l * h, 0.001, 0.2),
    A: random.uniform(h, -8, -0.5),
    B: random.normal(b * l * g * n),
    C: random.normal(b * l * g * n),
  };
}

/** Runs a case; its `initial` states, if any, are slots 0 … b − 1 of a state that is updated in place. */
export async function runSsd(backend: Backend, s: oracle.Ssd): Promise<{ y: Float64Array; state: Float64Array }> {
  return run(backend, () => {
    const state = s.initial
      ? backend.upload(Float64Array.from(s.initial), [s.b, s.h, s.p, s.n])
      : backend.zeros([s.b, s.h, s.p, s.n]);
    return { y: applySsd(backend, s, state), state };
  });
}

/** Uploads a case and calls `ssd`. */
export function applySsd(
  backend: Backend,
  s: oracle.Ssd,
  state?: Tensor,
  more: Partial<SsdOptions<unknown>> = {},
): Tensor {
  const { b, l, h, p, g, n } = s;
  const up = (numbers: ArrayLike<number>, shape: number[]) => backend.upload(Float64Array.from(numbers), shape);
  const w: SsdWeights<unknown> = {
    A: up(s.A, [h]),
    ...(s.D && { D: up(s.D, s.D.length === h ? [h] : [h, p]) }),
    ...(s.dt_bias && { dt_bias: up(s.dt_bias, [h]) }),
  };
  const options: SsdOptions<unknown> = {
    ...(s.dtSoftplus !== undefined && { dtSoftplus: s.dtSoftplus }),
    ...(s.dtLimit && { dtLimit: s.dtLimit }),
    ...(s.z && { z: up(s.z, [b, l, h, p]) }),
    ...(s.seqIdx && { seqIdx: ints(backend, Array.from(s.seqIdx), [b, l]) }),
    ...(s.lengths && { lengths: ints(backend, s.lengths) }),
    ...more,
  };
  const [x, dt] = [up(s.x, [b, l, h, p]), up(s.dt, [b, l, h])];
  return backend.ssd(x, dt, up(s.B, [b, l, g, n]), up(s.C, [b, l, g, n]), w, state, options);
}
