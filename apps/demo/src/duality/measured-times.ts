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
let newest = 0;

/** Measures all stops for a head; what was being measured for another is dropped. */
export function measureStops(head: Head, stops: readonly number[]): void {
  if (timing.value) stop();
  worker ??= new Worker(new URL('./times-worker.ts', import.meta.url), { type: 'module', name: 'times' });
  const id = ++newest;
  timing.value = true;
  timingFailure.value = undefined;
  worker.onmessage = ({ data }: MessageEvent<TimesAnswered>) => {
    if (data.id !== newest) return;
    times.value = { head, stops, measured: data.times };
    timing.value = false;
  };
  worker.onerror = (event) => {
    timingFailure.value = {
      name: 'WorkerError',
      message: event.message || 'the code that measures could not be fetched',
    };
    stop();
  };
  const asked: TimesAsked = { id, head, stops };
  worker.postMessage(asked);
}

function stop(): void {
  worker?.terminate();
  worker = undefined;
  timing.value = false;
}
