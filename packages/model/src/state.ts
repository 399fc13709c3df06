import {
  ArgumentError,
  bytesPerElement,
  CheckpointError,
  DeviceError,
  sizeOf,
  type Stored,
  stored,
} from '@mamba2/core';
import { readSafetensors, writeSafetensors } from './checkpoint/safetensors.js';
import { copyState } from './decode.js';
import { type Network, stateShapes, zeroStates } from './network.js';
import type { MixerState } from './weights.js';

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

/**
 * A sequence's memory: a value of fixed size, however long the sequence. Make one with `model.newState()` or `model.prefill(prompt)`, go on
 * from it with `model.generate(more, { state })`, copy it with {@link State.fork}, keep it for another day with {@link State.save}.
 */
export class State {
  /** @internal */
  readonly network: Network;
  /** @internal One per layer, with a single slot. */
  readonly layers: readonly MixerState<unknown>[];
  /** @internal */
  readonly record: SequenceRecord;
  readonly #fingerprint: string;
  #user: string | undefined;

  /** @internal */
  constructor(network: Network, fingerprint: string, record?: SequenceRecord) {
    this.network = network;
    this.#fingerprint = fingerprint;
    this.layers = zeroStates(network, 1);
    this.record = record ?? { fed: 0, pending: undefined, drawn: 0, seen: new Set() };
  }

  /** Tokens in the sequence so far. */
  get length(): number {
    return this.record.fed + (this.record.pending === undefined ? 0 : 1);
  }

  /** Size of the tensors in bytes, as the backend holds them. The same at every length. */
  get byteLength(): number {
    return this.layers.reduce((sum, { conv, ssm }) => {
      return sum + sizeOf(conv.shape) * bytesPerElement[conv.dtype] + sizeOf(ssm.shape) * bytesPerElement[ssm.dtype];
    }, 0);
  }

  /** An independent copy. O(size of the state). @throws ArgumentError while a generation uses it */
  fork(): State {
    this.#idle('fork');
    const { record } = this;
    const copy = new State(this.network, this.#fingerprint, { ...record, seen: new Set(record.seen) });
    this.layers.forEach((layer, i) => copyState(this.network, layer, copy.layers[i]!, 0, 0));
    return copy;
  }

  /** @internal Makes this state equal to a fork of it taken before. */
  restore(from: State): void {
    from.layers.forEach((layer, i) => copyState(this.network, layer, this.layers[i]!, 0, 0));
    Object.assign(this.record, from.record, { seen: new Set(from.record.seen) });
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
    for (const [i, { conv, ssm }] of this.layers.entries()) {
      tensors[`layers.${i}.conv`] = stored(await this.network.backend.read(conv), conv.shape);
      tensors[`layers.${i}.ssm`] = stored(await this.network.backend.read(ssm), ssm.shape);
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
    this.network.backend.free(...this.layers.flatMap(({ conv, ssm }) => [conv, ssm]));
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

/**
 * Reads what {@link State.save} wrote.
 * @throws CheckpointError for a damaged file, another kind of file, or a state of another model
 */
export async function loadState(network: Network, fingerprint: string, bytes: Uint8Array): Promise<State> {
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
  const layers = config.layers.map(({ mixer }, i) => {
    const { conv, ssm } = stateShapes(mixer, 1);
    return { conv: get(`layers.${i}.conv`, conv), ssm: get(`layers.${i}.ssm`, ssm) };
  });

  const state = new State(network, fingerprint, record);
  try {
    backend.scope(() => {
      layers.forEach(({ conv, ssm }, i) => {
        backend.copy(backend.upload(conv), state.layers[i]!.conv);
        backend.copy(backend.upload(ssm), state.layers[i]!.ssm);
      });
    });
  } catch (error) {
    if (!(error instanceof DeviceError)) state.dispose();
    throw error;
  }
  return state;
}
