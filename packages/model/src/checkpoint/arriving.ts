import { CheckpointError } from '@mamba2/core';
import { expectRange, orAbort, type RandomAccessFile } from './file.js';

/** Further ahead than this of what has come, waiting takes longer than asking. */
const farBytes = 8 << 20;

/** The longest range that is asked for ahead, and all of them together: they are kept, to be compared with what comes. */
const aheadBytes = 1 << 20;
const allAheadBytes = 16 << 20;

/** How a file comes, told while it does. */
export interface Arrival {
  /** Bytes from the first to before `bytes` can be read from `here`. */
  onArrived(here: RandomAccessFile, bytes: number): void;
  /** The server has answered; `ranges` whether it serves parts of the file. */
  onAnswer(ranges: boolean): void;
}

export interface ArrivingOptions {
  readonly name: string;
  readonly size: number;
  /** Brings all of the file and makes sure that it is what it should be; called once, when the file is first read. */
  readonly bring: (arrival: Arrival) => Promise<RandomAccessFile>;
  /** The same file where it comes from. */
  readonly remote: RandomAccessFile;
  /** When it aborts, `bring` ends. */
  readonly lifetime: AbortSignal;
}

/**
 * A file that is read while it arrives. Bytes come in order, and a range is given out as soon as it is there; a short one far ahead, such as the
 * directory at an archive's end, is asked for by itself. What is given out so is right only if {@link verified} says so in the end, but for the
 * whole file in one read, which waits for that.
 */
export class ArrivingFile implements RandomAccessFile {
  readonly name: string;
  readonly #options: ArrivingOptions;
  #whole: Promise<RandomAccessFile> | undefined;
  #isWhole = false;
  #failure: unknown;
  #here: RandomAccessFile | undefined;
  #arrived = 0;
  /** Reads that wait for the byte before `end`. */
  readonly #waiting = new Set<{ readonly end: number; readonly go: () => void }>();
  #answered: (ranges: boolean) => void = () => {};
  readonly #ranges = new Promise<boolean>((resolve) => (this.#answered = resolve));
  /** Ranges given out before their bytes came. */
  readonly #ahead: { readonly start: number; readonly bytes: Uint8Array }[] = [];
  #aheadBytes = 0;

  constructor(options: ArrivingOptions) {
    this.#options = options;
    this.name = options.name;
  }

  async size(signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    return this.#options.size;
  }

  async read(start: number, end: number, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const { name, size, lifetime } = this.#options;
    expectRange(name, start, end, size);
    const whole = this.#open();
    try {
      if (!this.#isWhole && end - start < size) {
        const ahead = await orAbort(this.#readAhead(whole, start, end, signal), signal);
        if (ahead) return ahead;
        await orAbort(Promise.race([whole, this.#until(end)]), signal);
      }
      const here = this.#isWhole || end - start === size ? await orAbort(whole, signal) : this.#here!;
      // Its place may change at any time, when the last byte has come.
      return await here.read(start, end, signal, into).catch(async (error: unknown) => {
        signal?.throwIfAborted();
        const place = await orAbort(whole, signal);
        if (place === here) throw error;
        return place.read(start, end, signal, into);
      });
    } catch (error) {
      // What has come so far is put aside before a load that was given up says so.
      if (lifetime.aborted) await whole.catch(() => {});
      throw error;
    }
  }

  /** Waits for all of the file, if any was read. @throws CheckpointError unless everything that was given out belongs to it */
  async verified(signal?: AbortSignal): Promise<void> {
    if (!this.#whole) return;
    const whole = await orAbort(this.#whole, signal);
    for (const { start, bytes } of this.#ahead.splice(0)) {
      const kept = await whole.read(start, start + bytes.byteLength, signal);
      if (bytes.every((byte, i) => byte === kept[i])) continue;
      throw new CheckpointError(`${this.name} changed while it was being read`, { fix: 'load the model again' });
    }
  }

  /** Once `lifetime` has aborted: resolves when `bring` has ended, with whether some of the file, but not all, had come. */
  async ended(): Promise<boolean> {
    const partly = !this.#isWhole && this.#arrived > 0;
    await this.#whole?.catch(() => {});
    return partly;
  }

  /** Whether it was fetching that failed with this error, not reading what was fetched. */
  failedWith(error: unknown): boolean {
    return error !== undefined && error === this.#failure;
  }

  #open(): Promise<RandomAccessFile> {
    if (this.#whole) return this.#whole;
    const arrival: Arrival = {
      onArrived: (here, bytes) => {
        this.#here = here;
        this.#arrived = bytes;
        for (const waiting of this.#waiting) if (waiting.end <= bytes) waiting.go();
      },
      onAnswer: (ranges) => this.#answered(ranges),
    };
    this.#whole = this.#options.bring(arrival).then(
      (file) => {
        this.#isWhole = true;
        return file;
      },
      (error: unknown) => {
        this.#failure = error;
        throw error;
      },
    );
    // Whoever reads is told; nobody may be reading.
    this.#whole.catch(() => {});
    return this.#whole;
  }

  async #until(end: number): Promise<void> {
    if (end <= this.#arrived) return;
    await new Promise<void>((resolve) => {
      const waiting = {
        end,
        go: () => {
          this.#waiting.delete(waiting);
          resolve();
        },
      };
      this.#waiting.add(waiting);
    });
  }

  /** A short range that is far ahead, from where the file comes from; undefined for others, and where only all of the file is to be had. */
  async #readAhead(
    whole: Promise<unknown>,
    start: number,
    end: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { remote, size } = this.#options;
    const isFar = () => start - this.#arrived > farBytes && !this.#isWhole;
    const length = end - start;
    if (!isFar() || length > aheadBytes || this.#aheadBytes + length > allAheadBytes) return undefined;
    const ranges = await Promise.race([this.#ranges, whole.then(() => false)]);
    if (!ranges || !isFar()) return undefined;
    try {
      if ((await remote.size(signal)) !== size) return undefined;
      const bytes = await remote.read(start, end, signal);
      this.#ahead.push({ start, bytes: bytes.slice() });
      this.#aheadBytes += length;
      return bytes;
    } catch (error) {
      signal?.throwIfAborted();
      this.#failure ??= error;
      throw error;
    }
  }
}
