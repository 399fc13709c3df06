import { expectRange, orAbort, type RandomAccessFile } from './file.js';
import { HeldBytes } from './held-bytes.js';

export interface BodyOptions {
  readonly name: string;
  readonly size: number;
  /** The bytes from `start` on, to the end. */
  readonly fetch: (start: number) => AsyncIterable<Uint8Array>;
  /** Told how many bytes have come. */
  readonly onArrived: (bytes: number) => void;
}

/**
 * A file of a server that sends it only as a whole, read while it comes: no further than someone waits for, so that the line rests while what came is
 * worked on. What has been read is let go, and a model that is loaded in the order of its bytes is in memory once. Whoever reads bytes twice has the
 * file sent a second time, and from then on all of it is held: more than two times it is never asked for.
 */
export class BodyFile implements RandomAccessFile {
  readonly name: string;
  readonly #options: BodyOptions;
  #held: HeldBytes;
  #coming: AsyncIterator<Uint8Array> | undefined;
  /** Ends when what is being read has been read: bytes come in one order, whoever asks for them. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: BodyOptions) {
    this.#options = options;
    this.name = options.name;
    this.#held = new HeldBytes(options.name, options.size, false);
  }

  async size(signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    return this.#options.size;
  }

  async read(start: number, end: number, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array> {
    const { name, size } = this.#options;
    signal?.throwIfAborted();
    expectRange(name, start, end, size);
    const taken = this.#inTurn(async () => {
      if (this.#held.hasLetGo(start, end)) await this.#again(signal);
      else await this.#until(end, signal);
      signal?.throwIfAborted();
      return this.#held.take(start, end, into);
    });
    return orAbort(taken, signal);
  }

  /** Waits until all of it has come: then it keeps no connection. */
  async bring(): Promise<void> {
    await this.#inTurn(() => this.#until(this.#options.size));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(act);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Begins anew, and holds what comes. */
  async #again(signal?: AbortSignal): Promise<void> {
    const { name, size } = this.#options;
    await this.#coming?.return?.();
    this.#coming = undefined;
    this.#held = new HeldBytes(name, size, true);
    await this.#until(size, signal);
  }

  async #until(end: number, signal?: AbortSignal): Promise<void> {
    const { size, fetch, onArrived } = this.#options;
    const held = this.#held;
    while (held.arrived < end) {
      signal?.throwIfAborted();
      this.#coming ??= fetch(held.arrived)[Symbol.asyncIterator]();
      try {
        held.add((await this.#coming.next()).value as Uint8Array);
        // Behind the last byte the body ends, or tells that there are more.
        if (held.arrived === size) await this.#coming.next();
      } catch (error) {
        // The next one who reads asks for the rest.
        this.#coming = undefined;
        throw error;
      }
      onArrived(held.arrived);
    }
  }
}
