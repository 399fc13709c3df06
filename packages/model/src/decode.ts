import { type Sampler, type SamplingParams, seedWords, slice, type Tensor, unsqueeze } from '@mamba2/core';
import { feed } from './feed.js';
import { type MixerState, Snapshot } from './mixer-state.js';
import { hidden, logits, type Network } from './network.js';

/** Where one sequence of a batch stands when decoding begins. */
export interface DecodeRow {
  /** The token to feed next. */
  pending: number;
  /** Ids that occurred, for the repetition penalty. */
  seen: Iterable<number>;
  /** How many tokens were drawn before: the random generator's position. */
  drawn: number;
  /** Which of several sequences with one seed this is. */
  sequence: number;
}

/** A drawn token of each row that was running. */
export interface Step {
  row: number;
  id: number;
  logProb: number;
  /** All logits of the row, if asked for. */
  logits?: Float64Array | Float32Array;
}

export interface DecodeOptions {
  params: SamplingParams;
  seed: number;
  stopIds: readonly number[];
  maxTokens: number;
  /** Only ids below are drawn. */
  vocab: number;
  withLogits: boolean;
}

/** What the host learns of a step: each row's token, its log-probability, and all logits if asked for. */
type Read = [ids: ArrayLike<number>, logProbs: ArrayLike<number>, logits?: Float64Array | Float32Array];

/** After how many steps ahead of the host the states are copied, to have something to go back to. */
const SNAPSHOT_EVERY = 256;

/** How long, in milliseconds, steps may take that go off together. */
const BURST = 20;

/**
 * Runs decoding steps of a batch, several in flight: each feeds the token drawn last (or `pending`) and draws the next, all on the device.
 * After {@link Decoder.finish} every state is that of exactly the tokens {@link Decoder.next} returned, bar the last, which is pending:
 * rows that ran ahead go back to a copy of their state and are fed again.
 */
export class Decoder<S> {
  readonly #network: Network<S>;
  readonly #states: readonly MixerState<S>[];
  readonly #rows: readonly DecodeRow[];
  readonly #options: DecodeOptions;
  readonly #sampler: Sampler<S>;
  readonly #program;
  readonly #inFlight: Promise<Read>[] = [];
  /** Per row: tokens fed since the snapshot, as far as the host knows; steps launched since then; whether it still runs. */
  readonly #fed: number[][];
  readonly #launched: number[];
  readonly #running: boolean[];
  readonly #next: number[];
  #snapshot: Snapshot<S> | undefined;
  #steps = 0;
  #failed = false;
  /** Milliseconds a step took lately, and since when how many steps are counted. */
  #pace = Infinity;
  #since = performance.now();
  #paced = 0;

  constructor(
    network: Network<S>,
    states: readonly MixerState<S>[],
    rows: readonly DecodeRow[],
    options: DecodeOptions,
  ) {
    this.#network = network;
    this.#states = states;
    this.#rows = rows;
    this.#options = options;
    this.#sampler = makeSampler(network, rows, options);
    this.#fed = rows.map(() => []);
    this.#launched = rows.map(() => 0);
    this.#running = rows.map(() => true);
    this.#next = rows.map((r) => r.pending);
    const { backend } = network;
    this.#program = backend.program(() => {
      const x = hidden(network, unsqueeze(this.#sampler.token, 1), states, { lengths: this.#sampler.active });
      const scores = logits(network, x);
      backend.sample(scores, this.#sampler);
      return options.withLogits ? { scores } : {};
    });
    if (backend.lookahead > 1) this.#snapshot = new Snapshot(network, states);
  }

  /** The next token of every row that still runs; nothing once none does or `maxTokens` are drawn. */
  async next(): Promise<Step[]> {
    const { backend } = this.#network;
    const isNext = this.#steps - this.#inFlight.length;
    if (backend.lookahead > 1 && isNext > 0 && isNext % SNAPSHOT_EVERY === 0 && this.#inFlight.length === 0)
      this.#keep();
    // Up to the next snapshot only: it needs a moment at which host and device know the same.
    const bound = Math.min(
      this.#options.maxTokens,
      backend.lookahead > 1 ? (Math.floor(isNext / SNAPSHOT_EVERY) + 1) * SNAPSHOT_EVERY : Infinity,
    );
    if (this.#inFlight.length <= backend.lookahead - this.#burst()) {
      while (this.#running.includes(true) && this.#inFlight.length < backend.lookahead && this.#steps < bound)
        this.#launch();
    }
    const first = this.#inFlight.shift();
    if (!first || !this.#running.includes(true)) return [];
    const [ids, logProbs, all] = await first.catch((error: unknown) => {
      this.#failed = true;
      throw error;
    });
    const steps: Step[] = [];
    const vocab = this.#network.config.paddedVocabSize;
    for (const r of this.#rows.keys()) {
      if (!this.#running[r]) continue;
      const id = ids[r]!;
      this.#fed[r]!.push(this.#next[r]!);
      this.#next[r] = id;
      if (this.#options.stopIds.includes(id)) this.#running[r] = false;
      steps.push({
        row: r,
        id,
        logProb: logProbs[r]!,
        ...(all && { logits: all.subarray(r * vocab, (r + 1) * vocab) }),
      });
    }
    return steps;
  }

  /** How many steps go off together, of which a backend can make one submission: as many as keep the text from coming in jerks. */
  #burst(): number {
    const most = this.#network.backend.lookahead / 2;
    if (++this.#paced >= most) {
      const now = performance.now();
      this.#pace = (now - this.#since) / this.#paced;
      this.#since = now;
      this.#paced = 0;
    }
    return Math.max(1, Math.min(most, Math.floor(BURST / this.#pace)));
  }

  /** Ends a row from the host; steps already in flight for it are undone at the end. */
  halt(r: number): void {
    if (!this.#running[r]) return;
    this.#running[r] = false;
    const { backend } = this.#network;
    backend.scope(() => backend.copy(backend.zeros([1], 'i32'), slotOf(this.#sampler.active, r)));
  }

  /**
   * Waits for what is in flight, undoes what no one asked for, and frees all but the states.
   * @returns whether the states are good: false after a device failed
   */
  async finish(): Promise<boolean> {
    const { backend } = this.#network;
    if (this.#failed) return false;
    try {
      await Promise.all(this.#inFlight);
      for (const r of this.#rows.keys()) {
        const fed = this.#fed[r]!;
        const ended = this.#options.stopIds.includes(this.#next[r]!);
        if (this.#launched[r]! <= fed.length || (ended && fed.length > 0)) continue;
        this.#snapshot!.restore(r);
        await feed(this.#network, this.#states, [fed], [r]);
      }
      return true;
    } finally {
      this.#program.dispose();
      const { vocab: _, ...tensors } = this.#sampler;
      backend.free(...Object.values(tensors));
      this.#snapshot?.dispose();
    }
  }

  #launch(): void {
    const { backend } = this.#network;
    const { scores } = this.#program.run();
    const reads = [
      backend.read(this.#sampler.token),
      backend.read(this.#sampler.logProb),
      ...(scores ? [backend.read(scores)] : []),
    ];
    const step = Promise.all(reads) as Promise<Read>;
    step.catch(() => {}); // Reported by whoever awaits it; an early end must not be an unhandled rejection.
    this.#inFlight.push(step);
    this.#steps++;
    for (const r of this.#rows.keys()) if (this.#running[r]) this.#launched[r]!++;
  }

  /** Copies the states as they are now, everything launched being known to the host. */
  #keep(): void {
    this.#snapshot?.keep();
    for (const r of this.#rows.keys()) {
      if (!this.#running[r]) continue;
      this.#fed[r] = [];
      this.#launched[r] = 0;
    }
  }
}

/** One element of a vector as a vector of length 1. */
function slotOf<S>(t: Tensor<S>, i: number): Tensor<S> {
  return slice(t, 0, i, i + 1);
}

function makeSampler<S>(
  { backend, config }: Network<S>,
  rows: readonly DecodeRow[],
  { params, seed, stopIds, vocab }: DecodeOptions,
): Sampler<S> {
  const b = rows.length;
  const V = config.paddedVocabSize;
  const seen = new Uint32Array(b * V);
  rows.forEach((r, i) => {
    for (const id of r.seen) seen[i * V + id] = 1;
  });
  const { temperature, topK, topP, minP, repetitionPenalty } = params;
  const words = seedWords(seed);
  const each = (values: (r: DecodeRow) => number[]) => rows.flatMap(values);
  const stops = stopIds.length > 0 ? stopIds : [-1];
  return {
    params: backend.upload(
      each(() => [temperature, topK, topP, minP, repetitionPenalty]),
      [b, 5],
    ),
    counter: backend.upload(Uint32Array.from(each((r) => [...words, r.sequence, r.drawn])), [b, 4]),
    seen: backend.upload(seen, [b, V]),
    stops: backend.upload(Int32Array.from(each(() => [...stops])), [b, stops.length]),
    active: backend.upload(new Int32Array(b).fill(1)),
    token: backend.upload(Int32Array.from(each((r) => [r.pending]))),
    logProb: backend.zeros([b]),
    vocab,
  };
}
