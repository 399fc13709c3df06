import type { Backend, Tensor } from '@mamba2/core';

/** Medians and spread of one measurement. */
export interface Timing {
  /** Microseconds of one call, the median of several estimates. */
  readonly micros: number;
  /** (largest − smallest estimate) / median */
  readonly spread: number;
}

/**
 * Time of one run of `fn`'s operations on the device. They are recorded `repeats` times into one program; runs of the program are timed in small
 * and in large numbers, and the difference is theirs alone: what a submission, a read-back and waking up cost drops out. Caches are warm.
 */
export async function deviceTime(
  backend: Backend,
  fn: () => Tensor,
  { repeats = 10, runs = 4, estimates = 5 } = {},
): Promise<Timing> {
  const program = backend.program(() => {
    for (let i = 1; i < repeats; i++) backend.scope(() => void fn());
    return fn();
  });
  const first = (t: Tensor): Tensor => ({ ...t, shape: [1], strides: [1] });
  const timed = async (count: number) => {
    const start = performance.now();
    let out: Tensor | undefined;
    for (let i = 0; i < count; i++) out = program.run();
    await backend.read(first(out!));
    return performance.now() - start;
  };
  await timed(2);
  const samples: number[] = [];
  for (let i = 0; i < estimates; i++) {
    const few = await timed(1);
    const many = await timed(1 + runs);
    samples.push((1e3 * (many - few)) / (runs * repeats));
  }
  program.dispose();
  return summary(samples);
}

/** The median of samples and how far they lie apart. */
export function summary(samples: readonly number[]): Timing {
  const sorted = [...samples].sort((a, b) => a - b);
  const micros = sorted[sorted.length >> 1]!;
  return { micros, spread: (sorted.at(-1)! - sorted[0]!) / micros };
}

/** Numbers around 0 that repeat from run to run. */
export function noise(size: number, scale = 1): Float32Array {
  let state = 0x9e3779b9 ^ size;
  return Float32Array.from({ length: size }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    return (((state >>> 8) & 0xffff) / 0x8000 - 1) * scale;
  });
}

/** ‖got − want‖ / ‖want‖ */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [error, norm] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error += (got[i]! - want[i]!) ** 2;
    norm += want[i]! ** 2;
  }
  return Math.sqrt(error / norm);
}
