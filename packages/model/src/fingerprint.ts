import type { Stored } from '@mamba2/core';
import type { Checkpoint } from './checkpoint/checkpoint.js';

/** The small tensors that tell one training run from another; quantising a checkpoint leaves them alone. */
const TELLING = /(\.A_log|\.dt_bias|dt_proj\.bias|norm_f\.weight)$/;

/**
 * A name for a model's parameters: 64 bits of FNV-1a over its architecture and its small tensors. Tells models apart by accident, not
 * against an adversary.
 */
export async function fingerprint({ config, tensors }: Checkpoint, signal?: AbortSignal): Promise<string> {
  const hash = new Fnv64();
  hash.add(new TextEncoder().encode(JSON.stringify({ ...config, format: undefined })));
  for (const name of Array.from(tensors.keys())
    .filter((n) => TELLING.test(n))
    .sort()) {
    hash.add((await tensors.get(name)!.load(signal)).bytes);
  }
  return hash.digest();
}

/** A checkpoint that keeps what {@link fingerprint} reads when it is read for the first time: again it could be a round trip to a server for each. */
export function keepingTelling(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  for (const [name, tensor] of tensors) {
    if (!TELLING.test(name)) continue;
    let kept: Stored | undefined;
    const load = async (signal?: AbortSignal) => (kept ??= await tensor.load(signal));
    tensors.set(name, { ...tensor, load });
  }
  return { ...checkpoint, tensors };
}

/** FNV-1a with 64 bits, in 16-bit limbs; prime 2⁴⁰ + 0x1b3. */
export class Fnv64 {
  readonly #limbs = [0x2325, 0x8422, 0x9ce4, 0xcbf2] as [number, number, number, number];

  add(bytes: Uint8Array): void {
    let [a, b, c, d] = this.#limbs;
    for (const byte of bytes) {
      a ^= byte;
      // × (2⁴⁰ + 0x1b3): the low product, plus the value moved up by 40 bits = 2 limbs and 8 bits.
      const s0 = a * 0x1b3;
      const s1 = b * 0x1b3 + (s0 >>> 16);
      const s2 = c * 0x1b3 + a * 0x100 + (s1 >>> 16);
      const s3 = d * 0x1b3 + b * 0x100 + (s2 >>> 16);
      [a, b, c, d] = [s0 & 0xffff, s1 & 0xffff, s2 & 0xffff, s3 & 0xffff];
    }
    this.#limbs.splice(0, 4, a, b, c, d);
  }

  digest(): string {
    return [...this.#limbs]
      .reverse()
      .map((limb) => limb.toString(16).padStart(4, '0'))
      .join('');
  }
}
