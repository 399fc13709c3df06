import type { Recording, WebGpuBackend } from '@mamba2/ssd-gpu';

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
 * Time of one run of `fn`'s operations on the device. They are recorded twice, a few and many times over; each recording goes to the device in one submission and is
 * waited for from then on, and the difference is theirs alone: what encoding, submitting and waking up cost drops out. (A program's run won't do: a long
 * one leaves in pieces, and the device computes while the host still encodes.) Caches are warm.
 */
export async function deviceTime(
  gpu: WebGpuBackend,
  fn: () => unknown,
  { repeats = 10, runs = 4, estimates = 5 } = {},
): Promise<Timing> {
  const times = (count: number) =>
    gpu.record(() => {
      for (let i = 0; i < count; i++) gpu.scope(() => void fn());
    });
  const few = repeats;
  const many = repeats * (1 + runs);
  const recordings = { few: await times(few), many: await times(many) };
  const timed = async ({ encode }: Recording<void>) => {
    const encoder = gpu.device.createCommandEncoder();
    encode(encoder);
    gpu.device.queue.submit([encoder.finish()]);
    const start = performance.now();
    await gpu.device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  await timed(recordings.few);
  // A device that idled runs at low clocks for a while.
  const warm = performance.now() + WARM_UP;
  do await timed(recordings.many);
  while (performance.now() < warm);
  const samples: number[] = [];
  for (let i = 0; i < estimates; i++) {
    const short = await timed(recordings.few);
    samples.push((1e3 * ((await timed(recordings.many)) - short)) / (many - few));
  }
  recordings.few.dispose();
  recordings.many.dispose();
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
