import {
  type BlockMatrix,
  bytesPerElement,
  CheckpointError,
  type DType,
  type Streamed,
  toBfloat,
  toFloat64,
  toHalf,
} from '@mamba2/core';
import { collect, dequantise, isBlockFormat } from '@mamba2/core/weights';

/** Types that a matrix's numbers can be turned into while it is loaded. */
export type FloatFormat = 'f32' | 'f16' | 'bf16';

const makers = {
  f32: (numbers: ArrayLike<number>) => Float32Array.from(numbers),
  f16: (numbers: ArrayLike<number>) => Uint16Array.from(numbers, toHalf),
  bf16: (numbers: ArrayLike<number>) => Uint16Array.from(numbers, toBfloat),
} as const;

/** Numbers turned at a time where they come all at once. */
const AT_ONCE = 1 << 20;

/**
 * A matrix's numbers in another type, each the nearest to what it was, piece by piece.
 * @throws CheckpointError where a finite number becomes an infinite one
 */
export function converted(matrix: Streamed, to: FloatFormat): Streamed {
  const { dtype, shape } = matrix;
  if (dtype === to) return matrix;
  const pieces = isBlockFormat(dtype) ? numbersOfBlocks(matrix) : numbersOf(dtype, matrix.pieces);
  return {
    dtype: to,
    shape,
    pieces: (async function* () {
      for await (const numbers of pieces) {
        const made = makers[to](numbers);
        expectHeld(numbers, made, to);
        yield new Uint8Array(made.buffer, made.byteOffset, made.byteLength);
      }
    })(),
  };
}

type Numbers = Float64Array | Float32Array;

/** The numbers in pieces of bytes that end anywhere. */
export async function* numbersOf(
  dtype: DType,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Numbers, void, undefined> {
  const size = bytesPerElement[dtype];
  const rest = new Uint8Array(size);
  let kept = 0;
  for await (const piece of pieces) {
    const whole = Math.floor((kept + piece.byteLength) / size) * size;
    const bytes = new Uint8Array(whole);
    const taken = whole > 0 ? whole - kept : 0;
    if (whole > 0) {
      bytes.set(rest.subarray(0, kept));
      bytes.set(piece.subarray(0, taken), kept);
      kept = 0;
    }
    rest.set(piece.subarray(taken), kept);
    kept += piece.byteLength - taken;
    if (whole > 0) yield toFloat64({ dtype, shape: [whole / size], bytes });
  }
  if (kept > 0) throw new CheckpointError('a tensor ends inside a number', { given: `${kept} bytes of ${size}` });
}

async function* numbersOfBlocks(matrix: Streamed): AsyncGenerator<Numbers, void, undefined> {
  const numbers = dequantise((await collect(matrix)) as BlockMatrix);
  for (let at = 0; at < numbers.length; at += AT_ONCE) yield numbers.subarray(at, at + AT_ONCE);
}

/** Bits of an exponent that is all ones: infinities and NaN. */
const special = { f32: 0x7f800000, f16: 0x7c00, bf16: 0x7f80 } as const;

function expectHeld(numbers: Numbers, made: Float32Array | Uint16Array, to: FloatFormat): void {
  const mask = special[to];
  const bits = made instanceof Float32Array ? new Uint32Array(made.buffer) : made;
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & mask) !== mask || !Number.isFinite(numbers[i])) continue;
    throw new CheckpointError(`a number that ${to} can't hold`, {
      given: String(numbers[i]),
      fix: `load it with dtype: "${to === 'f16' ? 'bf16' : 'stored'}"`,
    });
  }
}
