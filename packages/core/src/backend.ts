import type { NumericArray, Stored } from './dtype.js';
import type { Tensor } from './tensor.js';
import type { BlockFormat, BlockMatrix } from './weights/blocks.js';
import type { Streamed } from './weights/streamed.js';

/**
 * The contract between a model and the device it runs on. One method per operation, named after it.
 *
 * - **Functions of tensors.** Operations take views whose last stride is 1 and return a new contiguous tensor; no output shares memory
 *   with an input. Methods don't use `this`: destructure them (`const { linear, ssd } = backend`).
 * - **Checked first.** Shapes, dtypes, options, and tensors that are dead or another backend's give a typed error before anything is done.
 *   What tensors hold (ids, rows, lengths, sampling parameters) is checked by the reference backend, which has it at hand; a device can't
 *   see it in time and stays within its memory, whatever it finds.
 * - **Deferred.** Only {@link Backend.read} waits. Other calls may compute later; a tensor has content once the outermost
 *   {@link Backend.scope} around it has ended.
 * - **State.** Stateful operations read `state` and write `stateOut` (the same tensor by default), in place of carrying it through results.
 *   States are ordinary tensors from {@link Backend.zeros}. Without `state` they start from zeros and, unless there is a `stateOut`, keep
 *   nothing. A `stateOut` of its own shares memory with no input; slots of it that no row names stay as they are. Attention's state grows:
 *   it is a {@link KeyValueCache} of stated capacity, always written in place.
 * - **Slots and lengths.** A state's first axis counts slots; `rows` (b, i32) names the slot of each batch row (0 … b−1 by default, no slot
 *   twice) and `lengths` (b, i32) how many of the l positions count (all by default). Past its length a row changes no state, whatever the
 *   padding holds, NaN included, and its outputs there are 0 in the stateful operations.
 * - **Accuracy.** Δ, A, segment sums, exponents, states, the residual stream, norm sums and logits are f32 or wider.
 *
 * Numbers that change from step to step (ids, lengths, the sampler's counters) live in device tensors, so that a recorded
 * {@link Backend.program} replays without an upload. Because every operation names its inputs and outputs, a wrapper with this same
 * interface can record a tape.
 */
export interface Backend<S = unknown> {
  /** What `--backend` and error messages call it. */
  readonly name: string;
  /** How many decoding steps may be in flight before the first is read back; 1 where nothing runs asynchronously. */
  readonly lookahead: number;
  /** Bytes of tensors and weights that can ever be in its memory, where that is known beforehand. */
  readonly memoryLimit?: number;
  /** How many positions of a long prompt are best computed in one go; between such segments a caller may report progress or stop. */
  readonly segment: number;
  /** What the device is and which variant each operation uses there, and why. */
  describe(): BackendDescription;

  /** Numbers → a contiguous device tensor. Floats may be widened or narrowed to the backend's compute type; integers stay integers. */
  upload(values: Stored | NumericArray, shape?: readonly number[]): Tensor<S>;
  /** A tensor of zeros, for states. */
  zeros(shape: readonly number[], dtype?: 'float' | 'i32' | 'u32'): Tensor<S>;
  /** A matrix (m, k) for {@link Backend.linear} and {@link Backend.embed}, kept as it comes, or in blocks if `format` says so. */
  weight(matrix: Stored | BlockMatrix, options?: { format?: WeightFormat }): Weight<S>;
  /**
   * The same from pieces, as they come from a file: a device's memory is filled as they arrive, and nothing holds the whole matrix besides it.
   * If the pieces fail, or are too few or too many (a `CheckpointError`), nothing stays behind.
   */
  weightFrom(matrix: Streamed, options?: { format?: WeightFormat }): Promise<Weight<S>>;
  /** The values of a view, row-major, as of this point in the order of calls. The only operation that waits. */
  read(t: Tensor<S>): Promise<Float64Array | Float32Array | Int32Array | Uint32Array>;
  /** `to` ← `from`, views of one shape and dtype; where they overlap, as if all of `from` had been read first. */
  copy(from: Tensor<S>, to: Tensor<S>): void;
  /** Gives memory back now; views of it are dead. What is gone already is passed over. Inside a scope, intermediates need no call. */
  free(...things: readonly (Tensor<S> | Weight<S>)[]): void;

  /** Rows of a table: ids (b, l) i32 below V, table (V, d) → (b, l, d). */
  embed(ids: Tensor<S>, table: Weight<S>): Tensor<S>;
  /** `x Wᵀ (+ bias) (+ residual)`: x (…, k), weight (m, k), bias (m), residual (…, m) → (…, m). */
  linear(x: Tensor<S>, weight: Weight<S>, options?: LinearOptions<S>): Tensor<S>;
  /** `w · x / √(mean x² + ε)` over each of `groups` parts of the last axis: x (…, d), w (d). With `gate` (…, d) x is first
   *  multiplied by silu(gate), or the result is when `normBeforeGate`. */
  rmsNorm(x: Tensor<S>, weight: Tensor<S>, options: RmsNormOptions<S>): Tensor<S>;
  /** `w · (x − μ) / √(σ² + ε) + bias`, μ and σ² the mean and the variance (over d, not d − 1) of the last axis: x (…, d), w and bias (d). */
  layerNorm(x: Tensor<S>, weight: Tensor<S>, bias: Tensor<S>, options: LayerNormOptions): Tensor<S>;
  /** Causal depthwise convolution: x (b, l, k), weight (k, width), bias (k), state (slots, width − 1, k) holding the last inputs → (b, l, k). */
  causalConv1d(x: Tensor<S>, w: ConvWeights<S>, state?: Tensor<S>, options?: ConvOptions<S>): Tensor<S>;
  /**
   * The state-space dual form's product `y = M x (+ D x)`, per head `h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_tᵀ`, `y_t = h_t C_t`:
   * x (b, l, h, p), dt (b, l, h), B and C (b, l, g, n), state (slots, h, p, n) → y (b, l, h, p).
   */
  ssd(
    x: Tensor<S>,
    dt: Tensor<S>,
    B: Tensor<S>,
    C: Tensor<S>,
    w: SsdWeights<S>,
    state?: Tensor<S>,
    options?: SsdOptions<S>,
  ): Tensor<S>;
  /** Mamba-1's selective scan, a state of n numbers per channel: u, dt (b, l, d), B and C (b, l, n), state (slots, d, n) → y (b, l, d). */
  selectiveScan(
    u: Tensor<S>,
    dt: Tensor<S>,
    B: Tensor<S>,
    C: Tensor<S>,
    w: SelectiveScanWeights<S>,
    state?: Tensor<S>,
    options?: SelectiveScanOptions<S>,
  ): Tensor<S>;
  /**
   * Causal softmax attention, h heads of queries over g heads of keys and values (g divides h; neighbours share one):
   * `y_t = Σ_{s ≤ t} softmax_s(scale · q_t·k_s) v_s`, s over what the cache holds and the positions before t:
   * q (b, l, h, p), k and v (b, l, g, p) → y (b, l, h, p). Appends k, as rotated, and v to the cache. Of a row that would pass the cache's
   * capacity only the positions that fit count. O(l (held + l) h p).
   */
  attention(
    q: Tensor<S>,
    k: Tensor<S>,
    v: Tensor<S>,
    cache?: KeyValueCache<S>,
    options?: AttentionOptions<S>,
  ): Tensor<S>;
  /** `x ∘ silu(gate)`, shapes equal. */
  siluGate(x: Tensor<S>, gate: Tensor<S>): Tensor<S>;
  /** `a + b`, shapes equal. */
  add(a: Tensor<S>, b: Tensor<S>): Tensor<S>;
  /** Tensors of equal leading axes, side by side along the last. */
  concat(parts: readonly Tensor<S>[]): Tensor<S>;
  /** The last position that counts of each row: x (b, l, d), lengths (b) i32, each ≥ 1 → (b, 1, d). */
  last(x: Tensor<S>, lengths?: Tensor<S>): Tensor<S>;
  /** Log-probability of each id under its logits: logits (b, l, V), ids (b, l) i32 below V → (b, l). */
  logProbs(logits: Tensor<S>, ids: Tensor<S>): Tensor<S>;
  /** Marks ids (b, l) i32 as seen by the sampler's repetition penalty, of each row its first `lengths`. */
  observe(ids: Tensor<S>, sampler: Sampler<S>, options?: SlotOptions<S>): void;
  /**
   * Draws the next token of each row from logits (b, 1, V), as `sampleToken` in core defines it with `uniform(seed, sequence, drawn)`;
   * updates the {@link Sampler} and returns its `token` of each row as (b, 1) i32. Rows that are not active change nothing.
   */
  sample(logits: Tensor<S>, sampler: Sampler<S>, options?: { rows?: Tensor<S> }): Tensor<S>;

  /**
   * Runs `fn`, then releases every tensor made inside that it does not return (tensors in returned arrays and plain objects count).
   * Scopes nest; what escapes belongs to the scope around, and the outermost submits. `fn` is synchronous: a returned Promise is an
   * `ArgumentError`, and if `fn` throws, all it made is released.
   */
  scope<T>(fn: () => T): T;
  /**
   * Records the operations of `fn` once and replays them: `fn` itself is called by the first run and never again. It may read and write
   * tensors made before it; it may not upload, read, allocate states or run another program (each an `ArgumentError`), nor depend on
   * numbers that change between runs. What it returns is overwritten by every run and lives as long as the program.
   */
  program<T>(fn: () => T): Program<T>;
  /** Frees everything; every later call is a `DeviceError`, but for `describe`, `free` and `dispose`, which have nothing left to do. */
  dispose(): void;
}

/** A recorded step. */
export interface Program<T> {
  /** Runs it once more, in the order of calls; returns the same tensors every time. @throws DeviceError once disposed */
  run(): T;
  /** Frees what it returned and all it keeps. */
  dispose(): void;
}

/** How a matrix is kept: as it comes, or in blocks of 32 8-bit or 4-bit numbers to a scale. */
export type WeightFormat = 'stored' | BlockFormat;

/** A matrix that only `linear` and `embed` accept: a tensor, or a block format that its backend made. */
export interface Weight<S = unknown> {
  /** How it is kept. */
  readonly format: WeightFormat;
  /** (m, k) */
  readonly shape: readonly [number, number];
  /** The parts, as the backend that made it knows them. */
  readonly parts: readonly Tensor<S>[];
}

/** What a backend says of itself. */
export interface BackendDescription {
  /** Its {@link Backend.name}. */
  readonly backend: string;
  /** The device in words: an adapter's name, a number of threads. */
  readonly device: string;
  /** For each operation the variant in use and why. */
  readonly operations: Readonly<Record<string, OperationDescription>>;
  /** Anything a user should know, such as why threads are off. */
  readonly notes: readonly string[];
}

/** How an operation is done. */
export interface OperationDescription {
  /** The name of the variant. */
  readonly variant: string;
  /** Why that one, in words. */
  readonly why: string;
}

/** What is added to a product: a row `bias`, and the stream that the result goes on from. */
export interface LinearOptions<S> {
  /** (m) */
  bias?: Tensor<S>;
  /** (…, m) */
  residual?: Tensor<S>;
}

/** How {@link Backend.rmsNorm} normalises. */
export interface RmsNormOptions<S> {
  /** ε, added to the mean square. */
  eps: number;
  /** How many equal parts of the last axis are normalised each by itself; 1 by default. */
  groups?: number;
  /** (…, d): x is multiplied by silu(gate), before the norm. */
  gate?: Tensor<S>;
  /** The result is multiplied by it, after the norm; false by default. */
  normBeforeGate?: boolean;
}

/** How {@link Backend.layerNorm} normalises. */
export interface LayerNormOptions {
  /** ε, added to the variance. */
  eps: number;
}

/** Which slots a batch's rows are, and how much of each row counts. */
export interface SlotOptions<S> {
  /** (b) i32: the slot of each row, no slot twice; 0 … b − 1 by default. */
  rows?: Tensor<S>;
  /** (b) i32: how many of the l positions count; all by default. */
  lengths?: Tensor<S>;
}

export interface StatefulOptions<S> extends SlotOptions<S> {
  /** Where the new state goes; the state itself by default. */
  stateOut?: Tensor<S>;
}

/** The taps of {@link Backend.causalConv1d}. */
export interface ConvWeights<S> {
  /** (k, width); the last tap meets the current input. */
  weight: Tensor<S>;
  /** (k) */
  bias?: Tensor<S>;
}

export interface ConvOptions<S> extends StatefulOptions<S> {
  /** `silu` by default. */
  activation?: 'silu' | 'none';
}

/** The parameters of {@link Backend.ssd}, one or a few numbers per head. */
export interface SsdWeights<S> {
  /** (h), negative: `−exp(A_log)`. */
  A: Tensor<S>;
  /** (h) or (h, p): the skip `D x`. */
  D?: Tensor<S>;
  /** (h), added to dt. */
  dt_bias?: Tensor<S>;
}

export interface SsdOptions<S> extends StatefulOptions<S> {
  /** Δ = softplus(dt + dt_bias) instead of dt + dt_bias; false by default. */
  dtSoftplus?: boolean;
  /** Δ is clamped into [lo, hi] last; [0, ∞] by default. */
  dtLimit?: readonly [number, number];
  /** (b, l, h, p): y is multiplied by silu(z) last. */
  z?: Tensor<S>;
  /** (b, l) i32: the state is reset to 0 wherever this differs from the position before. */
  seqIdx?: Tensor<S>;
}

/** The parameters of {@link Backend.selectiveScan}. */
export interface SelectiveScanWeights<S> {
  /** (d, n), negative. */
  A: Tensor<S>;
  /** (d) */
  D?: Tensor<S>;
  /** (d), added to dt. */
  dt_bias?: Tensor<S>;
}

export interface SelectiveScanOptions<S> extends StatefulOptions<S> {
  /** Δ = softplus(dt + dt_bias) instead of dt + dt_bias; false by default. */
  dtSoftplus?: boolean;
  /** (b, l, d): y is multiplied by silu(z) last. */
  z?: Tensor<S>;
}

/**
 * The keys and values of every position so far, and how many those are. Ordinary tensors, written in place. Nothing before a slot's length
 * ever changes and nothing behind it is ever read: putting an earlier `length` back goes back to that moment.
 */
export interface KeyValueCache<S = unknown> {
  /** (slots, capacity, g, p), as rotated */
  keys: Tensor<S>;
  /** (slots, capacity, g, p) */
  values: Tensor<S>;
  /** (slots) i32: positions held; from it the next ones are numbered */
  length: Tensor<S>;
}

export interface AttentionOptions<S> extends SlotOptions<S> {
  /** What scores are multiplied by; 1/√p by default. */
  scale?: number;
  /** Turns the first coordinates of queries and keys by their position. */
  rotary?: Rotary<S>;
}

/** Rotary position embedding of the first `dim` ≤ p coordinates, in pairs. */
export interface Rotary<S> {
  /** (positions, dim), uploaded from core's `rotaryTable`: at least a cache's capacity of positions, or l without one */
  table: Tensor<S>;
  /** Pairs are neighbours, (2i, 2i + 1), in place of (i, dim/2 + i); false by default. */
  interleaved?: boolean;
}

/**
 * What sampling keeps on the device, one row per slot. Ordinary tensors: make them with `upload` and `zeros`, read and copy them like any.
 */
export interface Sampler<S = unknown> {
  /** (slots, 5) float: temperature, topK, topP, minP, repetitionPenalty; see `SamplingParams` in core. */
  params: Tensor<S>;
  /** (slots, 4) u32: seed low and high word, sequence, and how many tokens were drawn (counted up by `sample`). */
  counter: Tensor<S>;
  /** (slots, V) u32: nonzero where the id occurred, for the repetition penalty; `sample` marks what it draws. */
  seen: Tensor<S>;
  /** (slots, e) i32: ids that end a sequence, −1 for none; e ≥ 1. */
  stops: Tensor<S>;
  /** (slots) i32: 1 while the sequence runs, 0 once a stop id was drawn; serves as `lengths` of a decoding step. */
  active: Tensor<S>;
  /** (slots) i32: the token drawn last; unchanged once inactive. */
  token: Tensor<S>;
  /** (slots) float: its log-probability under the unmodified logits. */
  logProb: Tensor<S>;
  /** Ids ≥ this are never drawn (padding rows of the embedding) and have no share in `logProb`; 1 … V. */
  vocab: number;
}
