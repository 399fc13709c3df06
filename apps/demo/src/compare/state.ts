/** What the Compare page compares, and what its benchmark has found so far. */

import { computed, effect, signal } from '@preact/signals';
import type { Failure } from '../model/protocol.js';
import type { Measured, Refused, Report } from './benchmark.js';
import { type DeviceName, fits, lengthsUpTo, forms, type Size } from './sizes.js';
import type { FromBenchmark } from './worker.js';

export const size = signal<Size>({ l: 2048, n: 64, p: 64, h: 8, q: 64 });
export const device = signal<DeviceName>('wasm');
export const rounds = signal(7);
export const valid = computed(() => fits(size.value));

/** The last sizes that fit: what is shown while a number is being typed. */
export const fitting = signal(size.value);
effect(() => {
  if (valid.value) fitting.value = size.value;
});

/** One run of the benchmark. */
export interface Session {
  readonly device: DeviceName;
  readonly size: Size;
  readonly rounds: number;
  readonly began: string;
  /** The device in words, once it is open, and what it has to say. */
  readonly opened: { readonly device: string; readonly notes: readonly string[] } | undefined;
  readonly measured: readonly Measured[];
  readonly refused: readonly Refused[];
  readonly doing: Extract<Report, { doing: unknown }>['doing'] | undefined;
  readonly state: 'running' | 'done' | 'cancelled' | 'failed';
}

export const session = signal<Session | undefined>(undefined);
export const failure = signal<Failure | undefined>(undefined);

let worker: Worker | undefined;

/** How many of a session's measurements there are in all, and how many are through. */
export function progressOf({ size, measured, refused }: Session): { done: number; all: number } {
  return { done: measured.length + refused.length, all: forms.length * lengthsUpTo(size.l).length };
}

/** Starts the benchmark on the device chosen; one that runs is cancelled. */
export function start(): void {
  cancel();
  failure.value = undefined;
  const plan = { device: device.value, size: size.value, rounds: rounds.value };
  session.value = {
    ...plan,
    began: new Date().toISOString(),
    opened: undefined,
    measured: [],
    refused: [],
    doing: undefined,
    state: 'running',
  };
  worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'benchmark' });
  worker.addEventListener('message', ({ data }: MessageEvent<FromBenchmark>) => receive(data));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    receive({ failure: { name: 'WorkerError', message: event.message || 'its code could not be fetched' } });
  });
  worker.postMessage(plan, { transfer: [] });
}

/** Stops a benchmark that runs; what it has found stays. */
export function cancel(): void {
  end('cancelled');
}

function receive(message: FromBenchmark): void {
  const now = session.value;
  if (!now) return;
  if ('opened' in message) session.value = { ...now, opened: message.opened };
  else if ('done' in message) end('done');
  else if ('failure' in message) {
    failure.value = message.failure;
    end('failed');
  } else {
    const { report } = message;
    if ('doing' in report) session.value = { ...now, doing: report.doing };
    else if ('measured' in report) session.value = { ...now, measured: [...now.measured, report.measured] };
    else session.value = { ...now, refused: [...now.refused, report.refused] };
  }
}

function end(state: Session['state']): void {
  worker?.terminate();
  worker = undefined;
  const now = session.value;
  if (now?.state === 'running') session.value = { ...now, state, doing: undefined };
}
