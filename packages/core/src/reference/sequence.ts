import type {
  ConvOptions,
  ConvWeights,
  SelectiveScanOptions,
  SelectiveScanWeights,
  SlotOptions,
  SsdOptions,
  SsdWeights,
} from '../backend.js';
import { expectNumber, refuseUnknown } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { silu } from '../functions.js';
import { selectiveScan as selectiveScanForm } from '../selective-scan.js';
import { expectShape } from '../shape.js';
import { ssdRecurrent } from '../ssd/recurrent.js';
import { row, type Tensor } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';

/** Operations along the sequence, with a state per slot. */
export function sequenceOperations(memory: Memory) {
  /** The slot and the length of each batch row. */
  function slotsOf(b: number, l: number, slots: number, { rows, lengths }: SlotOptions<Block>) {
    if (rows) expectShape('rows', rows, [b]);
    if (lengths) expectShape('lengths', lengths, [b]);
    const slotOf = rows ? Array.from(memory.values(rows)) : Array.from({ length: b }, (_, i) => i);
    const counts = lengths ? Array.from(memory.values(lengths)) : Array.from({ length: b }, () => l);
    for (const slot of slotOf) expectNumber('rows', slot, { min: 0, max: slots - 1, integer: true });
    if (new Set(slotOf).size !== b)
      throw new ArgumentError('rows', { given: slotOf.join(', '), expected: 'each slot at most once' });
    for (const count of counts) expectNumber('lengths', count, { min: 0, max: l, integer: true });
    return { slotOf, counts };
  }

  /** The states of the batch's rows, gathered from their slots; undefined where nothing was passed in. */
  function gatherStates(state: RefTensor | undefined, slotOf: readonly number[]): RefTensor | undefined {
    if (!state) return undefined;
    memory.use('state', state);
    const out = memory.make([slotOf.length, ...state.shape.slice(1)]);
    slotOf.forEach((slot, i) => out.data.set(memory.values(row(state, slot)), i * (out.strides[0] ?? 1)));
    return out;
  }

  /** Writes the rows' new states to their slots of `stateOut`. */
  function scatterStates(
    states: Tensor<Float64Array>,
    stateOut: RefTensor | undefined,
    slotOf: readonly number[],
  ): void {
    if (!stateOut) return;
    memory.use('stateOut', stateOut);
    expectShape('stateOut', stateOut, ['slots', ...states.shape.slice(1)]);
    const size = states.strides[0] ?? 1;
    slotOf.forEach((slot, i) =>
      stateOut.data.set(states.data.subarray(i * size, (i + 1) * size), stateOut.offset + slot * stateOut.strides[0]!),
    );
  }

  function causalConv1d(
    x: RefTensor,
    w: ConvWeights<Block>,
    state?: RefTensor,
    options: ConvOptions<Block> = {},
  ): RefTensor {
    refuseUnknown('causalConv1d', options, ['activation', 'rows', 'lengths', 'stateOut']);
    const { activation = 'silu', stateOut = state } = options;
    const { weight, bias } = w;
    const axes: Record<string, number> = {};
    expectShape('x', x, ['b', 'l', 'k'], axes);
    expectShape('weight', weight, ['k', 'width'], axes);
    const { b = 0, l = 0, k = 0, width = 0 } = axes;
    if (bias) expectShape('bias', bias, [k]);
    if (state) expectShape('state', state, ['slots', width - 1, k], axes);
    for (const [name, t] of Object.entries({ x, weight, ...(bias && { bias }) })) memory.use(name, t);
    const { slotOf, counts } = slotsOf(b, l, axes['slots'] ?? b, options);
    const before = gatherStates(state, slotOf)?.data;
    const out = memory.make([b, l, k]);
    const after = new Float64Array(b * (width - 1) * k);
    for (let i = 0; i < b; i++) {
      // The inputs that count: the last width − 1 of the past, then x.
      const input = (t: number, c: number) =>
        t < 0
          ? (before?.[(i * (width - 1) + width - 1 + t) * k + c] ?? 0)
          : x.data[x.offset + i * x.strides[0]! + t * x.strides[1]! + c]!;
      for (let t = 0; t < counts[i]!; t++) {
        for (let c = 0; c < k; c++) {
          let sum = bias ? bias.data[bias.offset + c]! : 0;
          for (let s = 0; s < width; s++)
            sum += weight.data[weight.offset + c * weight.strides[0]! + s]! * input(t - width + 1 + s, c);
          out.data[(i * l + t) * k + c] = activation === 'silu' ? silu(sum) : sum;
        }
      }
      for (let s = 0; s < width - 1; s++) {
        for (let c = 0; c < k; c++) after[(i * (width - 1) + s) * k + c] = input(counts[i]! - width + 1 + s, c);
      }
    }
    scatterStates(
      { data: after, dtype: 'f64', shape: [b, width - 1, k], strides: [(width - 1) * k, k, 1], offset: 0 },
      stateOut,
      slotOf,
    );
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
    const { dtSoftplus, dtLimit, z, seqIdx, lengths, stateOut = state } = options;
    const [b = 0, l = 0] = x.shape;
    const tensors = { x, dt, B, C, A: w.A, D: w.D, dt_bias: w.dt_bias, z, seqIdx, lengths };
    for (const [name, t] of Object.entries(tensors)) if (t) memory.use(name, t);
    const { slotOf } = slotsOf(b, l, state?.shape[0] ?? b, options);
    const initialStates = gatherStates(state, slotOf);
    const { y, finalStates } = ssdRecurrent({ ...tensors, dtSoftplus, dtLimit, initialStates });
    scatterStates(finalStates, stateOut, slotOf);
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
    const { dtSoftplus, z, lengths, stateOut = state } = options;
    const [b = 0, l = 0] = u.shape;
    const tensors = { u, dt, B, C, A: w.A, D: w.D, dt_bias: w.dt_bias, z, lengths };
    for (const [name, t] of Object.entries(tensors)) if (t) memory.use(name, t);
    const { slotOf } = slotsOf(b, l, state?.shape[0] ?? b, options);
    const initialStates = gatherStates(state, slotOf);
    const { y, finalStates } = selectiveScanForm({ ...tensors, dtSoftplus, initialStates });
    scatterStates(finalStates, stateOut, slotOf);
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
