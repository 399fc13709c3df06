/** Times the chunk slider's stops away from the page, so that it stays quick and does not disturb the clock. */

import type { ChunkTimes } from './chunks.js';
import { timeStops } from './chunks.js';
import type { Head } from './head.js';

export interface TimesAsked {
  readonly id: number;
  readonly head: Head;
  readonly stops: readonly number[];
}

export interface TimesAnswered {
  readonly id: number;
  readonly times: ChunkTimes;
}

globalThis.addEventListener('message', ({ data }: MessageEvent<TimesAsked>) => {
  const answer: TimesAnswered = { id: data.id, times: timeStops(data.head, data.stops) };
  globalThis.postMessage(answer, { transfer: [] });
});
