/** What is compared, and at which sizes. */

import { type Costs, costs } from '@mamba2/core';

export const forms = ['ssm', 'ssd', 'attention'] as const;
export type Form = (typeof forms)[number];

export const devices = ['loops', 'wasm', 'webgpu'] as const;
export type DeviceName = (typeof devices)[number];

/** One layer's mixing: l positions, h heads of p channels, n states, chunks of q. */
export interface Size {
  readonly l: number;
  readonly n: number;
  readonly p: number;
  readonly h: number;
  readonly q: number;
}

/** What each size may be. */
export const ranges: Readonly<Record<keyof Size, readonly [number, number]>> = {
  l: [16, 32768],
  n: [1, 256],
  p: [1, 256],
  h: [1, 64],
  q: [1, 1024],
};

/** Whether every size is a whole number in its range. */
export function fits(size: Size): boolean {
  return Object.entries(ranges).every(([name, [min, max]]) => {
    const value = size[name as keyof Size];
    return Number.isInteger(value) && value >= min && value <= max;
  });
}

/** The cost model's counts. Attention's keys are as wide as its values, p, as in models: n belongs to states. */
export function costsOf(form: Form, { l, n, p, h, q }: Size): Costs {
  return costs(form, { l, n: form === 'attention' ? p : n, p, h, q });
}

/** Lengths from 64 (or less, for short l) in doublings up to l. */
export function lengthsUpTo(l: number): number[] {
  const lengths = [l];
  for (let half = l / 2; half >= 64; half /= 2) lengths.unshift(Math.floor(half));
  return lengths;
}
