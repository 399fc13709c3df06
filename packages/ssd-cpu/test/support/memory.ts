import { vi } from 'vitest';
import { meeting } from '../../src/device/addresses.js';

/** What `make` makes, and the last memory that was made meanwhile. */
export async function withMemory<T>(make: () => Promise<T>): Promise<{ made: T; memory: WebAssembly.Memory }> {
  let memory!: WebAssembly.Memory;
  const construct = (Memory: typeof WebAssembly.Memory, [descriptor]: [WebAssembly.MemoryDescriptor]) =>
    (memory = new Memory(descriptor));
  vi.stubGlobal('WebAssembly', { __proto__: WebAssembly, Memory: new Proxy(WebAssembly.Memory, { construct }) });
  const made = await make().finally(() => vi.unstubAllGlobals());
  return { made, memory };
}

/** How long to wait for what will come: for other threads, on a machine that may be busy. */
export const patience = { timeout: 60_000 };

/** Resolves once so many threads sleep until there is a list for them. */
export async function asleep(memory: WebAssembly.Memory, followers: number): Promise<void> {
  if (followers === 0) return;
  const words = new Int32Array(memory.buffer);
  await vi.waitUntil(() => Atomics.load(words, meeting.WAITING / 4) === followers, patience);
}
