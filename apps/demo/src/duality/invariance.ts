/** Breaking time-invariance: with Δ, B and C held a head is a convolution; each of them that moves takes it away. */

import { attentionMatrix, type Dense, hostTensor, ssdRecurrent } from '@mamba2/core';
import { convolve, discretise, ltiKernel } from '@mamba2/core/lti';
import { deviation } from './chunks.js';
import { asHeads, asProblem, type Head } from './head.js';

/** Which of the three are the same at every step. */
export interface Held {
  readonly delta: boolean;
  readonly B: boolean;
  readonly C: boolean;
}

/** One Δ moved by a factor. */
export interface Nudge {
  readonly at: number;
  readonly factor: number;
}

export interface Invariance {
  /** the head after holding and nudging */
  readonly head: Head;
  /** (l, l) */
  readonly M: Dense;
  /** how far the entries along a diagonal of M are from their mean, at worst, as a fraction of the largest entry: 0 for a Toeplitz matrix */
  readonly spread: number;
  /** (l): the answer of the model that is held throughout to an impulse */
  readonly kernel: Float64Array;
  /** (l): channel 0 by the recurrence */
  readonly recurrent: Float64Array;
  /** (l): channel 0 by FFT with the kernel */
  readonly convolution: Float64Array;
  /** between the two, as a fraction of the largest */
  readonly error: number;
}

/** Holds what `held` names at its mean over the sequence, nudges one Δ, and compares FFT and recurrence. */
export function breakInvariance(original: Head, held: Held, nudge?: Nudge): Invariance {
  const steady = hold(original, { delta: true, B: true, C: true });
  const head = hold(original, held);
  if (nudge) head.delta[nudge.at]! *= nudge.factor;
  const { l, p, n } = head;
  const M = attentionMatrix(asHeads(head));
  const system = {
    A: new Float64Array(n).fill(original.a),
    B: steady.B.slice(0, n),
    C: steady.C.slice(0, n),
  };
  const kernel = ltiKernel(discretise(system, steady.delta[0]!, 'mamba'), l);
  const x = Float64Array.from({ length: l }, (_, t) => original.x[t * p]!);
  const recurrent = ssdRecurrent({ ...asProblem({ ...head, p: 1, x }), x: hostTensor(x, [1, l, 1, 1]) }).y.data;
  const convolution = convolve(kernel, x).data;
  return { head, M, spread: spreadOf(M), kernel, recurrent, convolution, error: deviation(convolution, recurrent) };
}

/** A copy of the head, with what is held at its mean. */
function hold(head: Head, held: Held): Head {
  const { l, n } = head;
  const steady = (U: Float64Array, width: number) => {
    const mean = new Float64Array(width);
    for (let i = 0; i < U.length; i++) mean[i % width]! += U[i]! / l;
    return Float64Array.from(U, (_, i) => mean[i % width]!);
  };
  return {
    ...head,
    delta: held.delta ? steady(head.delta, 1) : head.delta.slice(),
    B: held.B ? steady(head.B, n) : head.B,
    C: held.C ? steady(head.C, n) : head.C,
  };
}

function spreadOf({ data, shape }: Dense): number {
  const l = shape[0]!;
  let [worst, largest] = [0, 0];
  for (let distance = 0; distance < l; distance++) {
    let mean = 0;
    for (let j = distance; j < l; j++) mean += data[j * l + j - distance]! / (l - distance);
    for (let j = distance; j < l; j++) {
      worst = Math.max(worst, Math.abs(data[j * l + j - distance]! - mean));
      largest = Math.max(largest, Math.abs(data[j * l + j - distance]!));
    }
  }
  return largest > 0 ? worst / largest : 0;
}
