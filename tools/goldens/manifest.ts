import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostTensor, type HostTensor, type Stored, toFloat64 } from '@mamba2/core';
import { readSafetensors } from '@mamba2/model';

/** The list of a goldens folder's cases. */
export interface Manifest {
  ssd: { name: string; file: string; dt_softplus: boolean; dt_limit: [number, number | null] }[];
  'selective-scan': { name: string; file: string; delta_softplus: boolean }[];
  models: { name: string; dir: string; loss: number }[];
  tokenizers: { name: string; tokenizer: string; golden: string }[];
}

export const KINDS = ['ssd', 'selective-scan', 'models', 'tokenizers'] as const;

/** One compared quantity. */
export interface Quantity {
  name: string;
  ok: boolean;
  /** For numbers: the errors and the tolerance they were held to. */
  worst?: number;
  at?: number[];
  relative?: number;
  tolerance?: number;
  /** For everything else, or for what went wrong: what was seen. */
  note?: string;
}

/** What checking a case gives. */
export interface CaseResult {
  quantities: Quantity[];
  /** Golden gradients that nothing here computes yet. */
  skipped: number;
  /** What was computed, for `--dump`: tensors, or a JSON value. */
  computed: Record<string, Stored> | { json: unknown };
}

/** Reads `manifest.json`. @throws Error when the folder has none, or one of another form */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch((error: unknown) => {
    throw new Error(`no manifest.json in ${folder}`, { cause: error });
  });
  const manifest = JSON.parse(text) as Manifest;
  for (const kind of KINDS) if (!Array.isArray(manifest[kind])) throw new Error(`manifest.json has no list "${kind}"`);
  return manifest;
}

/** A golden file's tensors, and how many gradients among them. */
export class GoldenFile {
  readonly #tensors: ReadonlyMap<string, Stored>;
  readonly #path: string;

  private constructor(path: string, tensors: ReadonlyMap<string, Stored>) {
    this.#path = path;
    this.#tensors = tensors;
  }

  static async read(path: string): Promise<GoldenFile> {
    return new GoldenFile(path, (await readSafetensors(path, await readFile(path))).tensors);
  }

  get gradients(): number {
    return [...this.#tensors.keys()].filter((name) => name.startsWith('grad.')).length;
  }

  /** @throws Error when the case lacks it */
  tensor(name: string): HostTensor {
    const tensor = this.optional(name);
    if (!tensor) throw new Error(`${this.#path} has no tensor "${name}"`);
    return tensor;
  }

  optional(name: string): HostTensor | undefined {
    const stored = this.#tensors.get(name);
    if (!stored) return undefined;
    const values = toFloat64(stored);
    return hostTensor(stored.dtype === 'i32' ? Int32Array.from(values) : values, stored.shape);
  }
}
