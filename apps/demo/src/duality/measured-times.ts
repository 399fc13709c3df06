/** Measured times of the head that is shown, by a worker; the newest question wins. */

import { signal } from '@preact/signals';
import type { Failure } from '../model/protocol.js';
import type { ChunkTimes } from './chunks.js';
import type { Head } from './head.js';
import type { TimesAnswered, TimesAsked } from './times-worker.js';

export const times = signal<{ head: Head; stops: readonly number[]; measured: ChunkTimes } | undefined>(undefined);
export const timing = signal(false);
export const timingFailure = signal<Failure | undefined>(undefined);

let worker: Worker | undefined;
let asked: TimesAsked | undefined;

/** Measures all stops for a head; what was being measured for another is dropped. */
export function measureStops(head: Head, stops: readonly number[]): void {
  if (timing.value) stop();
  timing.value = true;
  timingFailure.value = undefined;
  worker ??= start();
  asked = { id: (asked?.id ?? 0) + 1, head, stops };
  worker.postMessage(asked, { transfer: [] });
}

function start(): Worker {
  const started = new Worker(new URL('./times-worker.ts', import.meta.url), { type: 'module', name: 'times' });
  started.addEventListener('message', ({ data }: MessageEvent<TimesAnswered>) => {
    if (data.id !== asked?.id) return;
    times.value = { head: asked.head, stops: asked.stops, measured: data.times };
    timing.value = false;
  });
  started.addEventListener('error', (event) => {
    const message = event.message || 'the code that measures could not be fetched';
    timingFailure.value = { name: 'WorkerError', message };
    stop();
  });
  return started;
}

function stop(): void {
  worker?.terminate();
  worker = undefined;
  timing.value = false;
}
