import { refuseUnknown } from '../arguments.js';
import type {
  ConvOptions,
  ConvWeights,
  SelectiveScanOptions,
  SelectiveScanWeights,
  SsdOptions,
  SsdWeights,
} from '../backend.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { silu } from '../functions.js';
import { selectiveScan as selectiveScanForm, selectiveScanAxes } from '../selective-scan.js';
import { expectShape, shapeText } from '../shape.js';
import { ssdAxes } from '../ssd/problem.js';
import { ssdRecurrent } from '../ssd/recurrent.js';
import { row, slice, type Tensor } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';
import { statesOf } from './slots.js';

/** Operations along the sequence, with a state per slot. */
export function sequenceOperations(memory: Memory) {
  /** y_t = silu(bias + Σ_s weight_s x_{t − width + 1 + s}), channel by channel; the past is the state's */
  function causalConv1d(
    x: RefTensor,
    w: ConvWeights<Block>,
    state?: RefTensor,
    options: ConvOptions<Block> = {},
  ): RefTensor {
    refuseUnknown('causalConv1d', options, ['activation', 'rows', 'lengths', 'stateOut']);
    const { activation = 'silu' } = options;
    if (activation !== 'silu' && activation !== 'none') {
      throw new ArgumentError('unknown activation', { given: `"${String(activation)}"`, expected: '"silu" or "none"' });
    }
    const { weight, bias } = w;
    const axes: Record<string, number> = {};
    memory.floats({ x, weight, bias });
    expectShape('x', x, ['b', 'l', 'k'], axes);
    expectShape('weight', weight, ['k', 'width'], axes);
    const { b = 0, l = 0, k = 0, width = 0 } = axes;
    if (bias) expectShape('bias', bias, [k]);
    if (l < 1 || width < 1) {
      throw new ShapeError('causalConv1d needs a position and a tap', {
        given: `x ${shapeText(x.shape)}, weight ${shapeText(weight.shape)}`,
        expected: 'l ≥ 1 and width ≥ 1',
      });
    }
    const kept = width - 1;
    const states = statesOf(memory, { b, l, state: [kept, k] }, { x, weight, bias }, state, options);
    const initial = states.initial();
    const after = new Float64Array(b * kept * k);
    const out = memory.make([b, l, k]);
    for (let i = 0; i < b; i++) {
      // The inputs that count in one line (width − 1 + length, k): the past, then x.
      const length = states.counts[i]!;
      const line = new Float64Array((kept + length) * k);
      if (initial) line.set(memory.values(row(initial, i)));
      line.set(memory.values(slice(row(x, i), 0, 0, length)), kept * k);
      for (let t = 0; t < length; t++) {
        for (let c = 0; c < k; c++) {
          const taps = weight.offset + c * weight.strides[0]!;
          let sum = bias ? bias.data[bias.offset + c]! : 0;
          for (let s = 0; s < width; s++) sum += weight.data[taps + s]! * line[(t + s) * k + c]!;
          out.data[(i * l + t) * k + c] = activation === 'silu' ? silu(sum) : sum;
        }
      }
      after.set(line.subarray(length * k), i * kept * k);
    }
    states.keep(after);
    return out;
  }

  function ssd(
    x: RefTensor,
    dt: RefTensor,
    B: RefTensor,
    C: RefTensor,
    w: SsdWeights<Block>,
    state?: RefTensor,
    options: SsdOptions<Block> = {},
  ): RefTensor {
    refuseUnknown('ssd', options, ['dtSoftplus', 'dtLimit', 'z', 'seqIdx', 'rows', 'lengths', 'stateOut']);
    const { dtSoftplus, dtLimit, z, seqIdx, lengths } = options;
    const floats = { x, dt, B, C, A: w.A, D: w.D, dt_bias: w.dt_bias, z };
    memory.floats(floats);
    memory.integers({ seqIdx, lengths });
    const input = { ...floats, seqIdx, lengths, dtSoftplus, dtLimit };
    const { b, l, h, p, n } = ssdAxes(input);
    const states = statesOf(memory, { b, l, state: [h, p, n] }, floats, state, options);
    const { y, finalStates } = ssdRecurrent({ ...input, initialStates: states.initial() });
    states.keep(finalStates.data);
    return own(y);
  }

  function selectiveScan(
    u: RefTensor,
    dt: RefTensor,
    B: RefTensor,
    C: RefTensor,
    w: SelectiveScanWeights<Block>,
    state?: RefTensor,
    options: SelectiveScanOptions<Block> = {},
  ): RefTensor {
    refuseUnknown('selectiveScan', options, ['dtSoftplus', 'z', 'rows', 'lengths', 'stateOut']);
    const { dtSoftplus, z, lengths } = options;
    const floats = { u, dt, B, C, A: w.A, D: w.D, dt_bias: w.dt_bias, z };
    memory.floats(floats);
    memory.integers({ lengths });
    const input = { ...floats, lengths, dtSoftplus };
    const { b, l, d, n } = selectiveScanAxes(input);
    const states = statesOf(memory, { b, l, state: [d, n] }, floats, state, options);
    const { y, finalStates } = selectiveScanForm({ ...input, initialStates: states.initial() });
    states.keep(finalStates.data);
    return own(y);
  }

  /** A result of core's mathematics as a tensor of this backend. */
  function own(t: Tensor<Float64Array>): RefTensor {
    const out = memory.make(t.shape);
    out.data.set(t.data);
    return out;
  }

  return { causalConv1d, ssd, selectiveScan };
}
