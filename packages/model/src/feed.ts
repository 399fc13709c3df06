import type { Tensor } from '@mamba2/core';
import { hidden, type Network } from './network.js';
import { turns } from './turn.js';
import type { MixerState } from './mixer-state.js';

export interface FeedOptions {
  /** Ends it between segments; what was fed by then stays in the state. */
  signal?: AbortSignal | undefined;
  /** Called after each segment with the tokens fed so far, of all sequences together, and their total. */
  onProgress?: ((progress: { fed: number; total: number }) => void) | undefined;
}

/**
 * Advances states by the tokens of several sequences, segment by segment; shorter sequences rest while longer ones go on.
 * @param sequences the ids to feed each row
 * @param rows which slot each sequence's state is; 0 … by default
 * @throws the signal's reason, between segments
 */
export async function feed<S>(
  network: Network<S>,
  states: readonly MixerState<S>[],
  sequences: readonly (readonly number[])[],
  rows?: readonly number[],
  { signal, onProgress }: FeedOptions = {},
): Promise<void> {
  const { backend } = network;
  const longest = Math.max(0, ...sequences.map((ids) => ids.length));
  const total = sequences.reduce((sum, ids) => sum + ids.length, 0);
  const turn = turns();
  for (let start = 0; start < longest; start += backend.segment) {
    await turn();
    signal?.throwIfAborted();
    const width = Math.min(backend.segment, longest - start);
    const counts = sequences.map((ids) => Math.min(Math.max(ids.length - start, 0), width));
    backend.scope(() => {
      const ids = padded(
        network,
        sequences.map((all) => all.slice(start, start + width)),
        width,
      );
      hidden(network, ids, states, {
        rows: rows && backend.upload(Int32Array.from(rows)),
        lengths: counts.every((n) => n === width) ? undefined : backend.upload(Int32Array.from(counts)),
      });
    });
    onProgress?.({ fed: sequences.reduce((sum, ids) => sum + Math.min(ids.length, start + width), 0), total });
  }
}

/** Sequences as one (b, width) tensor, zeros behind the shorter ones. */
export function padded<S>(
  { backend }: Network<S>,
  sequences: readonly (readonly number[])[],
  width: number,
): Tensor<S> {
  const ids = new Int32Array(sequences.length * width);
  sequences.forEach((sequence, i) => ids.set(sequence, i * width));
  return backend.upload(ids, [sequences.length, width]);
}
