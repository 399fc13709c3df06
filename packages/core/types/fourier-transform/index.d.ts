/** What is used of fourier-transform, which comes without types. */

/** The bins 0 … N/2 of N real samples, N ≥ 2 a power of two; written to `output`, which it returns. */
export function fft(
  samples: Float64Array,
  output: [re: Float64Array, im: Float64Array],
): [re: Float64Array, im: Float64Array];

/** The N samples of the bins 0 … N/2, scaled so that it inverts {@link fft}; written to `output`, which it returns. */
export function ifft(re: Float64Array, im: Float64Array, output: Float64Array): Float64Array;
