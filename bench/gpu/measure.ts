import type { Backend, Program, Tensor } from '@mamba2/core';

/** Medians and spread of one measurement. */
export interface Timing {
  /** Microseconds of one call, the median of several estimates. */
  readonly micros: number;
  /** (largest − smallest estimate) / median */
  readonly spread: number;
}

/** Milliseconds of work before anything counts. */
const WARM_UP = 300;

/**
 * Time of one run of `fn`'s operations on the device. They are recorded into two programs, a few and many times over; each goes to the device as a whole
 * and is waited for from then on, and the difference is theirs alone: what encoding, a read-back and waking up cost drops out. Caches are warm.
 */
export async function deviceTime(
  backend: Backend,
  fn: () => Tensor,
  { repeats = 10, runs = 4, estimates = 5 } = {},
): Promise<Timing> {
  const times = (count: number) =>
    backend.program(() => {
      for (let i = 1; i < count; i++) backend.scope(() => void fn());
      return fn();
    });
  const few = repeats;
  const many = repeats * (1 + runs);
  const programs = { few: times(few), many: times(many) };
  const first = (t: Tensor): Tensor => ({ ...t, shape: [1], strides: [1] });
  const timed = async (program: Program<Tensor>) => {
    const out = first(program.run());
    // Encoding and submitting is over at the end of this turn.
    await Promise.resolve();
    const start = performance.now();
    await backend.read(out);
    return performance.now() - start;
  };
  await timed(programs.few);
  // A device that idled runs at low clocks for a while.
  const warm = performance.now() + WARM_UP;
  do await timed(programs.many);
  while (performance.now() < warm);
  const samples: number[] = [];
  for (let i = 0; i < estimates; i++) {
    const short = await timed(programs.few);
    samples.push((1e3 * ((await timed(programs.many)) - short)) / (many - few));
  }
  programs.few.dispose();
  programs.many.dispose();
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
