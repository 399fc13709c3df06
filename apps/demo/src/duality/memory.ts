/** HiPPO: a signal that one can draw, and what n coefficients keep of it. */

import { legSProject, legSReconstruct } from '@mamba2/core/lti';

/** Samples of a drawn signal. */
export const SAMPLES = 240;

export const presets = ['chirp', 'steps', 'bumps', 'line'] as const;
export type Preset = (typeof presets)[number];

/** A signal to begin with, values within −1 … 1. */
export function presetSignal(preset: Preset): Float64Array {
  const shapes: Record<Preset, (u: number) => number> = {
    chirp: (u) => 0.8 * Math.sin(4 * u + 22 * u * u),
    steps: (u) => [0.6, -0.5, 0.2, -0.8, 0.75][Math.floor(5 * u)]!,
    bumps: (u) => 0.9 * Math.exp(-(((u - 0.25) / 0.08) ** 2)) - 0.7 * Math.exp(-(((u - 0.7) / 0.05) ** 2)),
    line: (u) => 1.4 * u - 0.7,
  };
  return Float64Array.from({ length: SAMPLES }, (_, t) => shapes[preset]((t + 0.5) / SAMPLES));
}

/** What the memory holds after `seen` samples. */
export interface Remembered {
  /** (n) */
  readonly coefficients: Float64Array;
  /** (seen): the signal as the coefficients have it */
  readonly rebuilt: Float64Array;
  /** ‖rebuilt − signal‖ / ‖signal‖ over what was seen; 0 for silence that is remembered as such */
  readonly error: number;
}

/** Shows the first `seen` samples to a memory of n numbers, one after the other, and asks it for them. */
export function remember(signal: Float64Array, n: number, seen: number): Remembered {
  const past = signal.subarray(0, seen);
  const coefficients = legSProject(past, n);
  const rebuilt = legSReconstruct(
    coefficients,
    Float64Array.from({ length: seen }, (_, t) => (t + 0.5) / seen),
  );
  let [missed, size] = [0, 0];
  for (let t = 0; t < seen; t++) {
    missed += (rebuilt[t]! - past[t]!) ** 2;
    size += past[t]! ** 2;
  }
  return { coefficients, rebuilt, error: size > 0 ? Math.sqrt(missed / size) : Math.sqrt(missed) };
}

/** Draws a stroke from one point to the next; samples between them follow the straight line. */
export function stroke(
  signal: Float64Array,
  from: readonly [number, number],
  to: readonly [number, number],
): Float64Array {
  const drawn = signal.slice();
  const [t0, v0] = from;
  const [t1, v1] = to;
  const clamp = (v: number) => Math.min(1, Math.max(-1, v));
  for (let t = Math.max(0, Math.min(t0, t1)); t <= Math.min(SAMPLES - 1, Math.max(t0, t1)); t++) {
    drawn[t] = clamp(t0 === t1 ? v1 : v0 + ((v1 - v0) * (t - t0)) / (t1 - t0));
  }
  return drawn;
}
