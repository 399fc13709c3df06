import { CommandList, type Fields } from '../commands/encoder.js';
import type { Operation } from '../commands/layout.js';
import type { Device } from '../device/device.js';
import type { Heap } from './heap.js';

/** A list of commands in device memory. */
export interface StoredList {
  readonly address: number;
  readonly bytes: number;
  readonly words: number;
}

/** Gathers commands and hands them to the device, list by list. Lists lie in memory of the heap until no thread reads them any more. */
export class Queue {
  readonly #device: Device;
  readonly #heap: Heap;
  readonly #list = new CommandList();
  /** Lists that a thread may still be reading, each up to the submission in `fence`. */
  readonly #retired: (StoredList & { readonly fence: number })[] = [];

  constructor(device: Device, heap: Heap) {
    this.#device = device;
    this.#heap = heap;
  }

  push<O extends Operation>(operation: O, fields: Fields<O>): void {
    this.#list.push(operation, fields);
  }

  /** The list that uses what is released now: the one that is being gathered, or the last one submitted. */
  get fence(): number {
    return this.#device.submitted + (this.#list.length > 0 ? 1 : 0);
  }

  /** Submits what has gathered. */
  flush(): void {
    const list = this.store();
    if (!list) return;
    this.submit(list);
    this.retire(list);
  }

  /** What has gathered as a list in device memory, for the caller to submit and to retire; undefined for nothing. */
  store(): StoredList | undefined {
    if (this.#list.length === 0) return undefined;
    while (this.#retired.length > 0 && this.#retired[0]!.fence <= this.#device.completed) {
      const { address, bytes, fence } = this.#retired.shift()!;
      this.#heap.give(address, bytes, fence);
    }
    const { words } = this.#list;
    const address = this.#heap.take(words.byteLength, this.#device.completed);
    this.#device.write(address, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
    this.#list.clear();
    return { address, bytes: words.byteLength, words: words.length };
  }

  submit({ address, words }: StoredList): void {
    this.#device.submit(address, words);
  }

  /** Gives a list's memory back once all threads are through with it: a late one still walks lists whose work others have done. */
  retire(list: StoredList): void {
    this.#retired.push({ ...list, fence: this.#device.submitted });
  }

  /** Forgets what has gathered. */
  clear(): void {
    this.#list.clear();
  }
}
