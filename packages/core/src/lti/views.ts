/**
 * One discrete time-invariant model, three ways to run it (S4, arXiv 2111.00396, sections 2.2 and 2.3):
 *
 * - recurrent: `h_t = A h_{t−1} + B x_t`, `y_t = C h_t + D x_t`
 * - convolution: `y = K * x + D x` with the kernel `K_k = C Aᵏ B`, by fast Fourier transforms
 * - matrix: `y = T x`, T the lower-triangular Toeplitz matrix of K, plus D on the diagonal
 *
 * The kernel exists because the model is the same at every step: the answer to an impulse depends on how long ago it was and on nothing else.
 */

import { fft, ifft } from 'fourier-transform';
import { expectNumber } from '../arguments.js';
import { type Tensor, tensorOf } from '../tensor.js';
import { mapState } from '../structured/maps.js';
import { type Dense, denseMatrix, type Numbers, readNumbers } from '../structured/numbers.js';
import { readSignal, readSystem, type StateSpace } from './system.js';

/**
 * Runs a discrete model step by step. O(l n p) multiply-adds for diagonal A, O(l n² p) for a general one.
 * @param x (l) or (l, p)
 * @returns (l) or (l, p)
 * @throws ShapeError, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { ltiRecurrent } from '@mamba2/core/lti';
 * ltiRecurrent({ A: [0.5], B: [1], C: [1], D: 10 }, [4, 0, 1]).data; // [44, 2, 12]
 * ```
 */
export function ltiRecurrent(system: StateSpace, x: Numbers): Tensor<Float64Array> {
  const { n, A, B, C, D } = readSystem(system);
  const { l, p, data, shape } = readSignal(x);
  const h = new Float64Array(n * p);
  const y = new Float64Array(l * p);
  for (let t = 0; t < l; t++) {
    mapState(A, h, n);
    for (let e = 0; e < p; e++) {
      let sum = D * data[t * p + e]!;
      for (let s = 0; s < n; s++) {
        h[s * p + e]! += B[s]! * data[t * p + e]!;
        sum += C[s]! * h[s * p + e]!;
      }
      y[t * p + e] = sum;
    }
  }
  return tensorOf(y, 'f64', shape);
}

/**
 * The kernel `K_k = C Aᵏ B` of a discrete model, k = 0 … l − 1: its answer to an impulse, without D. O(l n) for diagonal A, O(l n²) otherwise.
 * @throws ShapeError, ArgumentError for numbers that are not finite and for a length that is no whole number from 1 to 2^27.
 * @example
 * ```ts
 * import { ltiKernel } from '@mamba2/core/lti';
 * ltiKernel({ A: [0.5], B: [2], C: [3] }, 4); // [6, 3, 1.5, 0.75]
 * ```
 */
export function ltiKernel(system: StateSpace, l: number): Float64Array<ArrayBuffer> {
  const { n, A, B, C } = readSystem(system);
  const K = new Float64Array(expectNumber('l', l, { min: 1, max: 2 ** 27, integer: true }));
  const power = B.slice();
  for (let k = 0; k < l; k++) {
    for (let s = 0; s < n; s++) K[k]! += C[s]! * power[s]!;
    mapState(A, power, n);
  }
  return K;
}

/**
 * Runs a discrete model as one convolution with its kernel. O(l n² + p l log l) for general A.
 * @param x (l) or (l, p)
 * @returns (l) or (l, p)
 * @throws ShapeError, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { ltiConvolution } from '@mamba2/core/lti';
 * const model = { A: [0.5], B: [1], C: [1] };
 * ltiConvolution(model, [4, 0, 1]).data; // [4, 2, 2]
 * ```
 */
export function ltiConvolution(system: StateSpace, x: Numbers): Tensor<Float64Array> {
  const { l, data, shape } = readSignal(x);
  const { D } = readSystem(system);
  const y = convolve(ltiKernel(system, l), x);
  return tensorOf(
    y.data.map((v, i) => v + D * data[i]!),
    'f64',
    shape,
  );
}

/**
 * The causal convolution `y_t = Σ_{k ≤ t} K_k x_{t−k}` of a kernel with every column of x, by FFT. O(p l log l); errors are relative to the largest
 * values in K and x, not to each y_t.
 * @param kernel (l) or longer
 * @param x (l) or (l, p)
 * @returns (l) or (l, p)
 * @throws ShapeError, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { convolve } from '@mamba2/core/lti';
 * convolve([1, 2, 3], [1, 0, 10]).data; // [1, 2, 13]
 * ```
 */
export function convolve(kernel: Numbers, x: Numbers): Tensor<Float64Array> {
  const K = readNumbers('kernel', kernel, ['k']).data;
  const { l, p, data, shape } = readSignal(x);
  // 2 l − 1 samples leave room for what would otherwise wrap around; the transform wants a power of two from 2 on.
  const size = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * l - 1)));
  const spectrum = (sample: (t: number) => number): [Float64Array, Float64Array] => {
    const samples = new Float64Array(size);
    for (let t = 0; t < l; t++) samples[t] = sample(t);
    return fft(samples, [new Float64Array(size / 2 + 1), new Float64Array(size / 2 + 1)]);
  };
  const [kRe, kIm] = spectrum((t) => K[t] ?? 0);
  const y = new Float64Array(l * p);
  const column = new Float64Array(size);
  for (let e = 0; e < p; e++) {
    const [re, im] = spectrum((t) => data[t * p + e]!);
    for (let f = 0; f < re.length; f++) {
      [re[f], im[f]] = [re[f]! * kRe[f]! - im[f]! * kIm[f]!, re[f]! * kIm[f]! + im[f]! * kRe[f]!];
    }
    ifft(re, im, column);
    for (let t = 0; t < l; t++) y[t * p + e] = column[t]!;
  }
  return tensorOf(y, 'f64', shape);
}

/**
 * The lower-triangular Toeplitz matrix of a kernel: entry (j, i) is K_{j−i}. As a mask it makes relative positions; as the matrix of a
 * model, {@link ltiKernel} is its kernel and D its addition to the diagonal.
 * @param kernel (l)
 * @returns (l, l)
 * @throws ShapeError, ArgumentError for numbers that are not finite, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { toeplitz } from '@mamba2/core/lti';
 * toeplitz([6, 3, 1]).data; // [6, 0, 0, 3, 6, 0, 1, 3, 6]
 * ```
 */
export function toeplitz(kernel: Numbers): Dense {
  const K = readNumbers('kernel', kernel, ['l']).data;
  const l = K.length;
  const T = denseMatrix(l, l);
  for (let j = 0; j < l; j++) for (let i = 0; i <= j; i++) T.data[j * l + i] = K[j - i]!;
  return T;
}

/**
 * The matrix of a discrete model: Toeplitz, D included. O(l² + l n²).
 * @returns (l, l)
 * @throws ShapeError, ArgumentError for numbers that are not finite, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { ltiMatrix } from '@mamba2/core/lti';
 * ltiMatrix({ A: [0.5], B: [1], C: [1], D: 10 }, 2).data; // [11, 0, 0.5, 11]
 * ```
 */
export function ltiMatrix(system: StateSpace, l: number): Dense {
  const { D } = readSystem(system);
  const T = toeplitz(ltiKernel(system, l));
  for (let j = 0; j < l; j++) T.data[j * l + j]! += D;
  return T;
}
