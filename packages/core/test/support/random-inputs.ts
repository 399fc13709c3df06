/**
 * Random inputs from a seed, the same on every machine: tests fail again where they failed. Floats are rounded to float32, so that uploading
 * them changes nothing on any backend.
 */
export interface RandomInputs {
  /** Uniform in [lo, hi). */
  uniform(count: number, lo?: number, hi?: number): Float64Array;
  /** Normal with mean 0. */
  normal(count: number, deviation?: number): Float64Array;
  /** Whole numbers in [0, below). */
  integers(count: number, below: number): Int32Array;
  /** 0 … count − 1 in random order. */
  permutation(count: number): number[];
}

export function randomInputs(seed: number): RandomInputs {
  let state = (seed * 2 + 1) >>> 0;
  // A 32-bit linear congruential generator, its bits mixed on the way out because the low ones have short periods.
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
  const gauss = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const fill = (count: number, draw: () => number) => {
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) out[i] = Math.fround(draw());
    return out;
  };
  return {
    uniform: (count, lo = 0, hi = 1) => fill(count, () => lo + (hi - lo) * next()),
    normal: (count, deviation = 1) => fill(count, () => deviation * gauss()),
    integers: (count, below) => Int32Array.from({ length: count }, () => Math.floor(next() * below)),
    permutation: (count) => {
      const order = Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return order;
    },
  };
}
