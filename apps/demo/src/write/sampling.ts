import { signal } from '@preact/signals';
import type { SamplingChoice } from '../model/protocol.js';

/** Every number that steers the drawing of tokens, with its range; the defaults are the library's. */
export const ranges = {
  temperature: { start: 0.8, min: 0, max: 2, step: 0.05 },
  topK: { start: 0, min: 0, max: 100, step: 1 },
  topP: { start: 1, min: 0.05, max: 1, step: 0.01 },
  minP: { start: 0.05, min: 0, max: 0.5, step: 0.01 },
  repetitionPenalty: { start: 1, min: 1, max: 2, step: 0.05 },
  maxTokens: { start: 160, min: 8, max: 1024, step: 8 },
} as const;

export type RangeName = keyof typeof ranges;

export const rangeNames = Object.keys(ranges) as readonly RangeName[];

const starts = Object.fromEntries(rangeNames.map((name) => [name, ranges[name].start])) as Record<RangeName, number>;

/** What is chosen now. */
export const choice = signal<Record<RangeName, number>>(starts);

export function choose(name: RangeName, value: number): void {
  choice.value = { ...choice.value, [name]: value };
}

export function chooseDefaults(): void {
  choice.value = starts;
}

/** The seed of the next story. */
export const seed = signal(1);

export const anySeed = (): number => Math.floor(Math.random() * 100_000);

export const samplingWith = (seed: number): SamplingChoice => ({ ...choice.value, seed });
