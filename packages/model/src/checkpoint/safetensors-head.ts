import { UnsupportedError } from '@mamba2/core';

/** A tensor as a safetensors header lists it. */
export interface HeaderTensor {
  readonly name: string;
  /** As the format calls it: `F32`, `BF16`, `I8`, … */
  readonly type: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/**
 * What a safetensors file begins with: the header's length and the header, padded with spaces so that the data, in the order of the list,
 * begins at a multiple of 8.
 * @throws UnsupportedError for the name `__metadata__`
 */
export function safetensorsHead(
  tensors: readonly HeaderTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: [string, string][] = [];
  const texts = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (texts.length > 0)
    header.push(['__metadata__', objectJson(texts.map(([key, text]) => [key, JSON.stringify(text)]))]);
  let end = 0;
  for (const { name, type, shape, byteLength } of tensors) {
    if (name === '__metadata__')
      throw new UnsupportedError('a tensor can not be called __metadata__', { fix: 'give it another name' });
    const start = end;
    end += byteLength;
    header.push([name, JSON.stringify({ dtype: type, shape, data_offsets: [start, end] })]);
  }
  const json = new TextEncoder().encode(objectJson(header));
  const head = new Uint8Array(Math.ceil((8 + json.byteLength) / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.byteLength - 8), true);
  head.set(json, 8);
  return head;
}

/** An object's JSON from keys and values' JSON: unlike an object, pairs keep their order and any name, `1` and `__proto__` included. */
function objectJson(pairs: readonly [string, string][]): string {
  return `{${pairs.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
}
