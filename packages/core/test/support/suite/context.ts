import { type Backend, type BlockFormat, slice, type Tensor } from '../../../src/index.js';
import type { Golden } from '../../../../../fixtures/read.ts';

/** What the tests of a backend know about it. */
export interface Suite {
  /** The backend under test. */
  readonly backend: Backend;
  /** Another one of the same kind. */
  make(): Promise<Backend>;
  /** Relative L2 error allowed against float64; see {@link BackendSuiteOptions.tolerance}. */
  readonly tolerance: number;
  /** A length around which the backend changes its ways, such as its chunk length. */
  readonly q: number;
  readonly exactSplits: boolean;
  readonly checksContents: boolean;
  readonly blockFormats: readonly BlockFormat[];
  goldens(path: string): Promise<Record<string, Golden>>;
}

/** The values of a tensor in float64. */
export async function values(backend: Backend, t: Tensor): Promise<Float64Array> {
  return Float64Array.from(await backend.read(t));
}

/**
 * Runs operations in a scope, reads the tensors they return, and frees those. Memory that a backend gives out again is full of NaN before:
 * what an operation fails to write shows.
 */
export async function run<T extends Record<string, Tensor>>(
  backend: Backend,
  fn: () => T,
): Promise<{ [K in keyof T]: Float64Array }> {
  backend.free(...[64, 1024, 16384].map((count) => backend.upload(new Float64Array(count).fill(NaN))));
  const made: Record<string, Tensor> = backend.scope(fn);
  const reads = Object.entries(made).map(async ([name, t]) => [name, await values(backend, t)] as const);
  const out = Object.fromEntries(await Promise.all(reads));
  backend.free(...Object.values(made));
  return out as { [K in keyof T]: Float64Array };
}

/** Uploads integers as i32. */
export function ints(backend: Backend, numbers: Iterable<number>, shape?: readonly number[]): Tensor {
  return backend.upload(Int32Array.from(numbers), shape);
}

/** The rows `rows` of a table of rows of `width`, one after another. */
export function pickRows(table: Float64Array, rows: readonly number[], width: number): Float64Array {
  const out = new Float64Array(rows.length * width);
  rows.forEach((r, i) => out.set(table.subarray(r * width, (r + 1) * width), i * width));
  return out;
}

/** Parts (b, l₀, …), (b, l₁, …), … as one tensor (b, l₀ + l₁ + …, …). */
export function alongLength(backend: Backend, parts: readonly Tensor[]): Tensor {
  const [b, , ...rest] = parts[0]!.shape as [number, number, ...number[]];
  const whole = backend.zeros([b, parts.reduce((l, part) => l + part.shape[1]!, 0), ...rest]);
  let from = 0;
  for (const part of parts) backend.copy(part, slice(whole, 1, from, (from += part.shape[1]!)));
  return whole;
}
