/** The elements that the first two figures share. */

import { computed, signal } from '@preact/signals';
import { short } from '../figures/numerals.js';
import { type Algorithm, record, type Step } from './lanes.js';

const a = [0.5, 0.5, 2, 1, 0.25, 0.5, 1, 0.5, 2, 0.5, 1, 0.5, 0.25, 1, 0.5, 2];
const b = [1, 2, 0, 3, 4, 0, 1, 2, 1, 3, 0, 2, 4, 1, 1, 2];

export const MOST = a.length;

/** As typed, so that a number may be incomplete while it is written; NaN then. */
export const numbers = signal<readonly Step[]>(a.map((decay, t) => ({ a: decay, b: b[t]! })));
export const length = signal(8);
export const kind = signal<'sum' | 'recurrence'>('recurrence');
export const algorithm = signal<Algorithm>('blelloch');
export const lanes = signal(3);

/** The elements in use; undefined while one of them is no number. */
export const elements = computed<readonly Step[] | undefined>(() => {
  const used = numbers.value.slice(0, length.value).map((step) => (kind.value === 'sum' ? { ...step, a: 1 } : step));
  return used.every(({ a, b }) => Number.isFinite(a) && Number.isFinite(b)) ? used : undefined;
});

export const run = computed(() => elements.value && record(algorithm.value, elements.value, lanes.value));

/** Changes one number of an element. */
export function edit(t: number, change: Partial<Step>): void {
  numbers.value = numbers.value.map((step, i) => (i === t ? { ...step, ...change } : step));
}

/** A map in words: a number for sums, `0.5 h + 2` for recurrences. */
export function say({ a, b }: Step, asSum = kind.value === 'sum'): string {
  return asSum ? short(b) : `${short(a)} h ${b < 0 ? '−' : '+'} ${short(Math.abs(b))}`;
}
