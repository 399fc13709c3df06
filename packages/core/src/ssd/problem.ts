import { expectNumber } from '../arguments.js';
import { ShapeError } from '../errors.js';
import { silu, softplus } from '../functions.js';
import { expectShapes, shapeText } from '../shape.js';
import { gather, type HostTensor, row, slice, type Tensor, tensorOf } from '../tensor.js';

/** One state-space layer's input, named and shaped as in `mamba_ssm`'s kernels. */
export interface SsdInput {
  /** (b, l, h, p) */
  x: HostTensor;
  /** (b, l, h), before bias, softplus and clamp */
  dt: HostTensor;
  /** (h), the logarithm of the decay per unit of Δ; negative in every model */
  A: HostTensor;
  /** (b, l, g, n), g dividing h: head k reads group ⌊k·g/h⌋ */
  B: HostTensor;
  /** (b, l, g, n) */
  C: HostTensor;
  /** (h) or (h, p): `y += D x` */
  D?: HostTensor | undefined;
  /** (b, l, h, p): `y *= silu(z)`, last */
  z?: HostTensor | undefined;
  /** (h), added to dt */
  dt_bias?: HostTensor | undefined;
  /** Δ = softplus(dt + dt_bias); false by default */
  dtSoftplus?: boolean | undefined;
  /** Δ is clamped into it, after softplus; [0, ∞] by default */
  dtLimit?: readonly [number, number] | undefined;
  /** (b, h, p, n), 0 by default */
  initialStates?: HostTensor | undefined;
  /** (b, l): sequences packed into a row; the state starts from 0 wherever the number changes */
  seqIdx?: HostTensor | undefined;
  /** (b): positions that count; what lies behind is never read, and y is 0 there */
  lengths?: HostTensor | undefined;
}

/** One state-space layer's output. */
export interface SsdOutput {
  /** (b, l, h, p) */
  y: Tensor<Float64Array>;
  /** (b, h, p, n) */
  finalStates: Tensor<Float64Array>;
}

/** One head of one sequence, contiguous: what each form of the product solves. */
export interface HeadProblem {
  l: number;
  p: number;
  n: number;
  /** (l, p) */
  x: Float64Array;
  /** (l): Δ_t */
  delta: Float64Array;
  /** A of this head */
  a: number;
  /** (l, n) */
  B: Float64Array;
  /** (l, n) */
  C: Float64Array;
  /** (p, n): h before the first step; a form replaces it by h after the last */
  state: Float64Array;
  /** (l, p): a form writes `M x` plus what the initial state adds */
  y: Float64Array;
}

/**
 * Solves every head of `input` with one form of the product: everything around `M` (Δ's bias, softplus and clamp, groups, packed
 * sequences, lengths, D and the gate) happens here, so that a form is only its mathematics.
 * @throws ShapeError for shapes that disagree, ArgumentError for a limit that is not an interval or a length outside 0 … l.
 */
export function solveHeads(input: SsdInput, form: (head: HeadProblem) => void): SsdOutput {
  const { b, l, h, p, g, n } = ssdAxes(input);
  const { x, A, B, C, D, z, seqIdx, lengths, initialStates } = input;
  const y = new Float64Array(b * l * h * p);
  const finalStates = new Float64Array(b * h * p * n);
  const delta = stepSizes(input);
  for (let i = 0; i < b; i++) {
    const length = lengths
      ? expectNumber('lengths', lengths.data[lengths.offset + i * lengths.strides[0]!], {
          min: 0,
          max: l,
          integer: true,
        })
      : l;
    const cuts = seqIdx ? sequenceStarts(seqIdx, i, length) : [0];
    for (let k = 0; k < h; k++) {
      const group = Math.floor((k * g) / h);
      const state = finalStates.subarray((i * h + k) * p * n, (i * h + k + 1) * p * n);
      if (initialStates) gather(row(row(initialStates, i), k), state);
      for (let c = 0; c < cuts.length; c++) {
        const from = cuts[c]!;
        const to = cuts[c + 1] ?? length;
        if (c > 0) state.fill(0);
        const head: HeadProblem = {
          l: to - from,
          p,
          n,
          x: series(x, i, from, to, k),
          delta: delta.subarray((i * h + k) * l + from, (i * h + k) * l + to),
          a: A.data[A.offset + k * A.strides[0]!]!,
          B: series(B, i, from, to, group),
          C: series(C, i, from, to, group),
          state,
          y: new Float64Array((to - from) * p),
        };
        form(head);
        if (D) addSkip(head, D, k);
        if (z) gate(head, series(z, i, from, to, k));
        for (let t = from; t < to; t++)
          y.set(head.y.subarray((t - from) * p, (t - from + 1) * p), ((i * l + t) * h + k) * p);
      }
    }
  }
  return { y: tensorOf(y, 'f64', [b, l, h, p]), finalStates: tensorOf(finalStates, 'f64', [b, h, p, n]) };
}

/** The axes of an input, all shapes checked against each other. @throws ShapeError */
export function ssdAxes(input: SsdInput): { b: number; l: number; h: number; p: number; g: number; n: number } {
  const axes = expectShapes(input, {
    x: 'blhp',
    dt: 'blh',
    A: 'h',
    B: 'blgn',
    C: 'blgn',
    D: input.D?.shape.length === 2 ? 'hp' : 'h',
    z: 'blhp',
    dt_bias: 'h',
    initialStates: 'bhpn',
    seqIdx: 'bl',
    lengths: 'b',
  });
  const { b = 0, l = 0, h = 0, p = 0, g = 0, n = 0 } = axes;
  if (l < 1 || g < 1 || h % g !== 0) {
    throw new ShapeError('ssd needs a position, and heads that groups divide', {
      given: `x ${shapeText(input.x.shape)}, B ${shapeText(input.B.shape)}`,
      expected: 'l ≥ 1 and g dividing h',
    });
  }
  return { b, l, h, p, g, n };
}

/** From dt + dt_bias to Δ: softplus and clamp. @throws ArgumentError for a limit that is no interval */
export function stepSizeOf({
  dtSoftplus,
  dtLimit = [0, Infinity],
}: Pick<SsdInput, 'dtSoftplus' | 'dtLimit'>): (raw: number) => number {
  const [lo, hi] = dtLimit;
  expectNumber('dtLimit[0]', lo, {});
  expectNumber('dtLimit[1]', hi, { min: lo });
  return (raw) => Math.min(Math.max(dtSoftplus ? softplus(raw) : raw, lo), hi);
}

/** Δ = clamp(softplus(dt + dt_bias)) as (b, h, l), so that a head's steps lie together. */
function stepSizes(input: SsdInput): Float64Array {
  const { dt, dt_bias: bias } = input;
  const stepSize = stepSizeOf(input);
  const [b, l, h] = dt.shape as [number, number, number];
  const [sb, sl, sh] = dt.strides as [number, number, number];
  const delta = new Float64Array(b * h * l);
  for (let i = 0; i < b; i++) {
    for (let k = 0; k < h; k++) {
      const shift = bias ? bias.data[bias.offset + k * bias.strides[0]!]! : 0;
      for (let t = 0; t < l; t++) {
        delta[(i * h + k) * l + t] = stepSize(dt.data[dt.offset + i * sb + t * sl + k * sh]! + shift);
      }
    }
  }
  return delta;
}

/** Positions at which a packed row's sequences begin: 0 and wherever seqIdx changes. */
function sequenceStarts(seqIdx: HostTensor, i: number, length: number): number[] {
  const numbers = gather(row(seqIdx, i));
  const starts = [0];
  for (let t = 1; t < length; t++) if (numbers[t] !== numbers[t - 1]) starts.push(t);
  return starts;
}

/** t[i, from…to, k, :] as a contiguous matrix. */
function series(t: HostTensor, i: number, from: number, to: number, k: number): Float64Array {
  return gather(slice(slice(row(t, i), 0, from, to), 1, k, k + 1));
}

/** y += D x, D a number per head or per channel. */
function addSkip({ x, y, p }: HeadProblem, D: HostTensor, k: number): void {
  const perChannel = D.shape.length === 2;
  const start = D.offset + k * D.strides[0]!;
  for (let e = 0; e < y.length; e++) y[e]! += D.data[start + (perChannel ? (e % p) * D.strides[1]! : 0)]! * x[e]!;
}

/** y *= silu(z) */
function gate({ y }: HeadProblem, z: Float64Array): void {
  for (let e = 0; e < y.length; e++) y[e]! *= silu(z[e]!);
}
