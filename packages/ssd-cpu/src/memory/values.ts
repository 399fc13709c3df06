import { type DType, type NumericArray, type Stored, toFloat64 } from '@mamba2/core';
import type { Kind } from './block.js';

/** Values as the device keeps them; not copied if they are that already. */
export function hostBytes(values: Stored | NumericArray, dtype: DType, kind: Kind): Uint8Array {
  if ('bytes' in values && dtype === kind) return values.bytes;
  const numbers = 'bytes' in values ? toFloat64(values) : values;
  const typed =
    kind === 'i32' ? Int32Array.from(numbers) : kind === 'u32' ? Uint32Array.from(numbers) : asFloats(numbers);
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function asFloats(numbers: ArrayLike<number>): Float32Array {
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
}
