/** The benchmark: every form at every length, checked, warmed up, then timed in rounds. */

import type { Backend } from '@mamba2/core';
import { median } from '../figures/median.js';
import { type Contender, errorOf, inputsFor, onBackend, onLoops, truthOf } from './contenders.js';
import { costsOf, type DeviceName, type Form, forms, lengthsUpTo, type Size } from './sizes.js';

/** One form at one length. */
export interface Measured extends Size {
  readonly form: Form;
  readonly device: DeviceName;
  readonly variant: string;
  /** How many positions were checked against the reference, and the relative L2 error there. */
  readonly checkedPositions: number;
  readonly error: number;
  /** Milliseconds a run: one number for each round. */
  readonly samples: readonly number[];
  readonly median: number;
  readonly multiplyAdds: number;
}

/** A form that gives no time at a length, and why. */
export interface Refused {
  readonly form: Form;
  readonly l: number;
  readonly reason: 'too-much' | 'wrong' | 'failed';
  /** The error, or how far off. */
  readonly message: string;
}

export interface Plan {
  readonly device: DeviceName;
  /** Of the longest length. */
  readonly size: Size;
  readonly rounds: number;
}

export type Report =
  { measured: Measured } | { refused: Refused } | { doing: { form: Form; l: number; step: 'checking' | 'timing' } };

/** Relative L2 error that a float32 device may have: sums of some thousand terms. */
const TOLERANCE = 1e-4;
/** A sample takes at least so many milliseconds, so that the clock's grain and a device's queue don't show. */
const LEAST_SAMPLE = 4;
/** Multiply-adds past which a run is not started: about ten seconds of plain loops. */
const MOST_WORK: Readonly<Record<DeviceName, number>> = { loops: 3e9, wasm: 6e10, webgpu: 4e11 };

/**
 * Runs a plan and reports on the way. A form that fails, or is wrong, is reported and left; the others go on.
 * @param backend the device, for all but `loops`
 */
export async function runPlan(
  { device, size, rounds }: Plan,
  backend: Backend | undefined,
  report: (what: Report) => void,
): Promise<void> {
  for (const l of lengthsUpTo(size.l)) {
    const here = { ...size, l };
    const inputs = inputsFor(here);
    for (const form of forms) {
      const { multiplyAdds } = costsOf(form, here);
      const refuse = (reason: Refused['reason'], message: string) => report({ refused: { form, l, reason, message } });
      if (multiplyAdds > MOST_WORK[device]) {
        refuse('too-much', '');
        continue;
      }
      let contender: Contender | undefined;
      try {
        report({ doing: { form, l, step: 'checking' } });
        contender = backend ? onBackend(form, inputs, backend) : onLoops(form, inputs);
        const truth = truthOf(form, device, inputs);
        const error = errorOf(await contender.output(), truth);
        if (!(error <= TOLERANCE)) {
          refuse('wrong', error.toExponential(1));
          continue;
        }
        report({ doing: { form, l, step: 'timing' } });
        const samples = await sample(contender, rounds);
        const checked = { checkedPositions: truth.positions, error };
        const variant = contender.variant();
        report({
          measured: { form, device, ...here, variant, ...checked, samples, median: median(samples), multiplyAdds },
        });
      } catch (failure) {
        refuse('failed', failure instanceof Error ? failure.message : String(failure));
      } finally {
        contender?.free();
      }
    }
  }
}

/** Milliseconds a run, for each round; the first runs warm caches, clocks and compilers up and decide how many runs make a sample. */
async function sample(contender: Contender, rounds: number): Promise<number[]> {
  let repeats = 1;
  for (let warm = 0; warm < 3 || repeats < 2 ** 16; warm++) {
    const ms = await timed(contender, repeats);
    if (ms >= LEAST_SAMPLE && warm >= 1) break;
    if (ms < LEAST_SAMPLE) repeats = Math.ceil(repeats * Math.min(8, (1.3 * LEAST_SAMPLE) / Math.max(ms, 0.1)));
  }
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) samples.push((await timed(contender, repeats)) / repeats);
  return samples;
}

async function timed(contender: Contender, repeats: number): Promise<number> {
  const began = performance.now();
  await contender.run(repeats);
  return performance.now() - began;
}
