import { type Backend, slice, type Tensor } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { noise, relativeError } from './measure.js';

/** Rows of every remainder of four, shorter than a round of the workgroup (256 numbers) and of several rounds. */
const WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8, 70, 255, 256, 257, 258, 259, 1021, 1022, 1023, 1024];
const ROWS = 3;

/** One norm of one width. */
export interface CheckedNorm {
  readonly at: string;
  /** Relative to float64. */
  readonly error: number;
}

type Norm = (b: Backend, x: Tensor, gate: Tensor, weight: Tensor, bias: Tensor) => Tensor;
const norms: Readonly<Record<string, Norm>> = {
  rmsNorm: (b, x, _, weight) => b.rmsNorm(x, weight, { eps: 1e-5 }),
  'rmsNorm gated before': (b, x, gate, weight) => b.rmsNorm(x, weight, { eps: 1e-5, gate }),
  'rmsNorm gated after': (b, x, gate, weight) => b.rmsNorm(x, weight, { eps: 1e-5, gate, normBeforeGate: true }),
  layerNorm: (b, x, _, weight, bias) => b.layerNorm(x, weight, bias, { eps: 1e-5 }),
};

/** Both norms against float64: rows side by side, and as columns 1 … of a wider tensor, so that nothing lies at a multiple of four. */
export async function checkNorms(backend: Backend): Promise<CheckedNorm[]> {
  const checked: CheckedNorm[] = [];
  for (const [name, norm] of Object.entries(norms)) {
    for (const width of WIDTHS) {
      for (const shifted of [false, true]) {
        const run = async (b: Backend) => {
          const all = width + Number(shifted);
          const [x, gate] = [2, 3].map((scale) => {
            const whole = b.upload(noise(ROWS * all + 1, scale).subarray(1), [ROWS, all]);
            return shifted ? slice(whole, 1, 1, all) : whole;
          });
          const [weight, bias] = [1, 2].map((scale) => b.upload(noise(width + 1, scale).subarray(1), [width]));
          const y = norm(b, x!, gate!, weight!, bias!);
          const numbers = await b.read(y);
          b.free(x!, gate!, weight!, bias!, y);
          return numbers;
        };
        const error = relativeError(await run(backend), await run(reference() as Backend));
        checked.push({ at: `${name} of ${width}${shifted ? ', a view' : ''}`, error });
      }
    }
  }
  return checked;
}
