import { describe, expect, it } from 'vitest';
import { readGoldens } from '../../../fixtures/read.ts';
import { ArgumentError, hostTensor, selectiveScan, type SelectiveScanInput, ShapeError, sizeOf } from '../src/index.js';
import { expectClose } from './support/expect-close.js';
import * as oracle from './support/oracles.js';
import { randomInputs } from './support/random-inputs.js';

describe('selectiveScan', () => {
  it('agrees with the golden values', () => {
    const t = readGoldens('selective-scan/basic.safetensors');
    const host = (name: string) => hostTensor(t[name]!.values, t[name]!.shape);
    /** (b, k, l) as a view (b, l, k). */
    const swapped = (name: string) => {
      const { shape, strides, ...rest } = host(name);
      const [b, k, l] = shape as [number, number, number];
      return { ...rest, shape: [b, l, k], strides: [strides[0]!, strides[2]!, strides[1]!] };
    };
    const { y, finalStates } = selectiveScan({
      u: swapped('u'),
      dt: swapped('delta'),
      A: host('A'),
      B: swapped('B'),
      C: swapped('C'),
      D: host('D'),
      z: swapped('z'),
      dt_bias: host('delta_bias'),
      dtSoftplus: true,
    });
    const [b, l, d] = y.shape as [number, number, number];
    const want = swapped('y');
    const truth = Array.from({ length: b * l * d }, (_, e) => {
      const [i, s, k] = [Math.floor(e / (l * d)), Math.floor(e / d) % l, e % d];
      return want.data[i * want.strides[0]! + s * want.strides[1]! + k * want.strides[2]!]!;
    });
    // The truth was stored as float32: 6e-8 of rounding. The worst seen is 3e-8.
    expectClose(y.data, truth, 1e-6, 'y');
    expectClose(finalStates.data, t['last_state']!.values, 1e-6, 'last_state');
  });

  it('agrees with the sum that defines it, lengths and initial states included', () => {
    const random = randomInputs(1);
    const [b, l, d, n] = [3, 19, 4, 3];
    const s = {
      b,
      l,
      d,
      n,
      lengths: [19, 0, 7],
      u: random.normal(b * l * d),
      dt: random.uniform(b * l * d, 0.001, 0.5),
      A: random.uniform(d * n, -9, -0.1),
      B: random.normal(b * l * n),
      C: random.normal(b * l * n),
      initial: random.normal(b * d * n),
    };
    const got = selectiveScan({
      u: hostTensor(s.u, [b, l, d]),
      dt: hostTensor(s.dt, [b, l, d]),
      A: hostTensor(s.A, [d, n]),
      B: hostTensor(s.B, [b, l, n]),
      C: hostTensor(s.C, [b, l, n]),
      initialStates: hostTensor(s.initial, [b, d, n]),
      lengths: hostTensor(s.lengths),
    });
    const want = oracle.selectiveScan(s);
    // float64, sums of at most 19 terms in another order.
    expectClose(got.y.data, want.y, 1e-13, 'y');
    expectClose(got.finalStates.data, want.state, 1e-13, 'final states');
  });

  it('refuses what does not fit', () => {
    const zeros = (...shape: number[]) => hostTensor(new Float64Array(sizeOf(shape)), shape);
    const input: SelectiveScanInput = {
      u: zeros(2, 3, 4),
      dt: zeros(2, 3, 4),
      A: zeros(4, 5),
      B: zeros(2, 3, 5),
      C: zeros(2, 3, 5),
    };
    const misfits: Partial<SelectiveScanInput>[] = [
      { dt: zeros(2, 3, 3) },
      { A: zeros(5, 4) },
      { C: zeros(2, 4, 5) },
      { D: zeros(5) },
      { z: zeros(2, 3) },
      { dt_bias: zeros(4, 1) },
      { initialStates: zeros(2, 5, 4) },
      { lengths: zeros(3) },
      { u: zeros(2, 0, 4), dt: zeros(2, 0, 4), B: zeros(2, 0, 5), C: zeros(2, 0, 5) },
    ];
    for (const misfit of misfits) expect(() => selectiveScan({ ...input, ...misfit })).toThrow(ShapeError);
    expect(() => selectiveScan({ ...input, lengths: hostTensor([1, 4]) })).toThrow(ArgumentError);
    const misspelled = { ...input, dt_bais: zeros(4) };
    expect(() => selectiveScan(misspelled)).toThrow(/no option "dt_bais"/);
  });
});
