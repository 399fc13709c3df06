import {
  ArgumentError,
  bytesPerElement,
  CheckpointError,
  DeviceError,
  expectNumber,
  refuseUnknown,
  sizeOf,
  slice,
  type Stored,
  stored,
  type Tensor,
} from '@mamba2/core';
import { readSafetensors, writeSafetensors } from './checkpoint/safetensors.js';
import { copyStates, fixedShapes, hasAttention, type MixerState, ROOM, tensorsOf, zeroStates } from './mixer-state.js';
import type { Network } from './network.js';

/** What a state knows besides its tensors. */
export interface SequenceRecord {
  /** Tokens that the tensors have taken in. */
  fed: number;
  /** The last token of the sequence: fed when the next one is asked for. */
  pending: number | undefined;
  /** How many of the tokens were drawn: where the random generator stands. */
  drawn: number;
  /** Every id that occurred, for the repetition penalty. */
  seen: Set<number>;
}

const FORMAT = 'mamba2-state';
const VERSION = '1';

/** How to make a state. */
export interface StateOptions {
  /**
   * Positions that a hybrid model's attention layers can hold, beyond which the state is full; a larger one takes more memory. Of a model without
   * attention, states take in any number and this has no effect.
   */
  capacity?: number;
}

/**
 * A sequence's memory: a value of fixed size, however long the sequence (up to its capacity in hybrid models, whose attention layers keep keys
 * and values of every position). Make one with `model.newState()` or `model.prefill(prompt)`, go on
 * from it with `model.generate(more, { state })`, copy it with {@link State.fork}, keep it for another day with {@link State.save}.
 */
export class State {
  /** @internal */
  readonly network: Network;
  /** @internal One per layer, with a single slot. */
  readonly layers: readonly MixerState<unknown>[];
  /** @internal */
  readonly record: SequenceRecord;
  /** Positions it can take in: Infinity without attention layers. */
  readonly capacity: number;
  readonly #fingerprint: string;
  #user: string | undefined;

  /** @internal */
  constructor(network: Network, fingerprint: string, options: StateOptions & { record?: SequenceRecord } = {}) {
    const { capacity = ROOM, record = { fed: 0, pending: undefined, drawn: 0, seen: new Set() } } = options;
    const grows = hasAttention(network.config);
    if (grows) expectNumber('capacity', capacity, { min: Math.max(1, record.fed), max: 2 ** 31 - 1, integer: true });
    this.network = network;
    this.#fingerprint = fingerprint;
    this.capacity = grows ? capacity : Infinity;
    this.layers = zeroStates(network, 1, capacity);
    this.record = record;
  }

  /** Tokens in the sequence so far. */
  get length(): number {
    return this.record.fed + (this.record.pending === undefined ? 0 : 1);
  }

  /** Size of the tensors in bytes, as the backend holds them. The same at every length. */
  get byteLength(): number {
    return tensorsOf(this.layers).reduce((sum, t) => sum + sizeOf(t.shape) * bytesPerElement[t.dtype], 0);
  }

  /**
   * An independent copy, of another capacity if that is given. O(size of the state).
   * @throws ArgumentError while a generation uses it, or for a capacity below what it holds
   */
  fork(options: StateOptions = {}): State {
    refuseUnknown('fork', options, ['capacity']);
    this.#idle('fork');
    const record = { ...this.record, seen: new Set(this.record.seen) };
    const capacity = options.capacity ?? (this.capacity === Infinity ? ROOM : this.capacity);
    const copy = new State(this.network, this.#fingerprint, { capacity, record });
    copyStates(this.network, this.layers, copy.layers, { fromSlot: 0, toSlot: 0, length: record.fed });
    return copy;
  }

  /** @internal @throws ArgumentError when it can't take in so many positions more */
  expectRoom(positions: number): void {
    if (this.record.fed + positions <= this.capacity) return;
    throw new ArgumentError('the state is full: the attention layers of this model keep every position', {
      given: `${positions} positions more than ${this.record.fed}`,
      expected: `at most ${this.capacity} in all`,
      fix: 'go on from fork({ capacity }) with a larger capacity',
    });
  }

  /**
   * The state as a safetensors file: the tensors, and as metadata the model it belongs to, the pending token, the random generator's
   * position and the penalty's history.
   * @throws ArgumentError while a generation uses it
   */
  async save(): Promise<Uint8Array> {
    this.#idle('save');
    const { fed, pending, drawn, seen } = this.record;
    const tensors: Record<string, Stored> = { seen: stored(Int32Array.from(seen)) };
    for (const [i, layer] of this.layers.entries()) {
      for (const [name, t] of Object.entries(savedParts(layer, fed)))
        tensors[`layers.${i}.${name}`] = stored(await this.network.backend.read(t), t.shape);
    }
    return writeSafetensors(tensors, {
      format: FORMAT,
      version: VERSION,
      model: this.#fingerprint,
      fed: String(fed),
      pending: String(pending ?? ''),
      drawn: String(drawn),
    });
  }

  /** Frees the tensors. */
  dispose(): void {
    this.network.backend.free(...tensorsOf(this.layers));
  }

  /** @internal Marks the state as in use; the returned function ends that. @throws ArgumentError when it is already */
  use(user: string, network: Network): () => void {
    if (network !== this.network) {
      throw new ArgumentError('the state belongs to another model', {
        fix: 'save it and load it with this model, if that is the same checkpoint',
      });
    }
    this.#idle(user);
    this.#user = user;
    return () => (this.#user = undefined);
  }

  #idle(what: string): void {
    if (this.#user === undefined) return;
    throw new ArgumentError(`${what}: the state is in use by another ${this.#user}`, {
      fix: 'fork() it first, or wait for that to end',
    });
  }
}

/** What is saved of a layer's state: of keys and values those of the positions so far. */
function savedParts({ conv, ssm, cache }: MixerState<unknown>, fed: number): Record<string, Tensor> {
  return {
    ...(conv && { conv }),
    ...(ssm && { ssm }),
    ...(cache && { keys: slice(cache.keys, 1, 0, fed), values: slice(cache.values, 1, 0, fed) }),
  };
}

/**
 * Reads what {@link State.save} wrote.
 * @throws CheckpointError for a damaged file, another kind of file, or a state of another model
 */
export async function loadState(
  network: Network,
  fingerprint: string,
  bytes: Uint8Array,
  options: StateOptions = {},
): Promise<State> {
  refuseUnknown('loadState', options, ['capacity']);
  const { tensors, metadata } = await readSafetensors('the state', bytes);
  const { config, backend } = network;
  if (metadata['format'] !== FORMAT || metadata['version'] !== VERSION) {
    throw new CheckpointError('this is not a saved state', {
      given: `format "${metadata['format']}" ${metadata['version']}`,
      expected: `"${FORMAT}" ${VERSION}`,
    });
  }
  if (metadata['model'] !== fingerprint) {
    throw new CheckpointError('the state belongs to another model', {
      given: `model ${metadata['model']}`,
      expected: fingerprint,
      fix: 'load the model that saved it',
    });
  }
  const number = (name: string, max: number) => {
    const value = Number(metadata[name] || NaN);
    if (Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
    throw new CheckpointError(`state metadata "${name}"`, {
      given: String(metadata[name]),
      expected: `a whole number from 0 to ${max}`,
    });
  };
  const get = (name: string, shape: readonly number[] | undefined): Stored => {
    const tensor = tensors.get(name);
    if (!tensor || (shape && (tensor.shape.length !== shape.length || tensor.shape.some((d, i) => d !== shape[i])))) {
      throw new CheckpointError(`state tensor "${name}"`, {
        given: tensor ? `shape (${tensor.shape.join(', ')})` : 'none',
        expected: shape ? `shape (${shape.join(', ')})` : 'a tensor',
      });
    }
    return tensor;
  };
  const seenTensor = get('seen', undefined);
  if (seenTensor.dtype !== 'i32' || seenTensor.shape.length !== 1)
    throw new CheckpointError('state tensor "seen"', { given: seenTensor.dtype, expected: 'i32 (count)' });
  const seen = new Set(new Int32Array(Uint8Array.from(seenTensor.bytes).buffer));
  for (const id of seen) {
    if (id < 0 || id >= config.paddedVocabSize)
      throw new CheckpointError('state tensor "seen"', {
        given: `id ${id}`,
        expected: `0 … ${config.paddedVocabSize - 1}`,
      });
  }
  const pending = metadata['pending'] === '' ? undefined : number('pending', config.paddedVocabSize - 1);
  const record = { fed: number('fed', Number.MAX_SAFE_INTEGER), pending, drawn: number('drawn', 2 ** 32 - 1), seen };
  const parts = config.layers.map(({ mixer }, i) => {
    const held = mixer.type === 'attention' && [1, record.fed, mixer.kvHeads, mixer.headdim];
    const shapes = { ...fixedShapes(mixer, 1), ...(held && { keys: held, values: held }) };
    return Object.entries(shapes).map(([name, shape]) => [name, get(`layers.${i}.${name}`, shape)] as const);
  });

  const state = new State(network, fingerprint, { capacity: options.capacity ?? record.fed + ROOM, record });
  try {
    backend.scope(() => {
      for (const [i, layer] of state.layers.entries()) {
        const targets = savedParts(layer, record.fed);
        for (const [name, values] of parts[i]!) backend.copy(backend.upload(values), targets[name]!);
        if (layer.cache) backend.copy(backend.upload(Int32Array.of(record.fed)), layer.cache.length);
      }
    });
  } catch (error) {
    if (!(error instanceof DeviceError)) state.dispose();
    throw error;
  }
  return state;
}
