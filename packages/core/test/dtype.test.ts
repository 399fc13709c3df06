import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  type DType,
  dtypeOf,
  fromBfloat,
  fromHalf,
  ShapeError,
  stored,
  toBfloat,
  toFloat64,
  toHalf,
} from '../src/index.js';
import { expectIdentical } from './support/expect-close.js';

const everyPattern = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

/** A float32 from its bits, as the platform reads it. */
function float32(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** bfloat16 is the upper half of a float32. */
const bfloatTruth = (bits: number) => float32((bits << 16) >>> 0);

/** binary16's exponent and fraction, moved to where float32 has its own, are 2¹¹² too small: the biases differ by 127 − 15. */
function halfTruth(bits: number): number {
  const magnitude =
    (bits & 0x7fff) >= 0x7c00
      ? float32(0x7f800000 | ((bits & 0x3ff) << 13))
      : float32((bits & 0x7fff) << 13) * 2 ** 112;
  return bits & 0x8000 ? -magnitude : magnitude;
}

describe('16-bit floats', () => {
  it('decode from each of the 65536 patterns of binary16', () => {
    expectIdentical(Array.from(everyPattern, fromHalf), Array.from(everyPattern, halfTruth));
  });

  it('decode from each of the 65536 patterns of bfloat16', () => {
    expectIdentical(Array.from(everyPattern, fromBfloat), Array.from(everyPattern, bfloatTruth));
  });
});

describe.each([
  ['toHalf', toHalf, fromHalf, 0x7c00],
  ['toBfloat', toBfloat, fromBfloat, 0x7f80],
] as const)('%s', (_, encode, decode, infinity) => {
  it('gives every pattern that is no NaN back, and NaN for NaN', () => {
    const wrong = everyPattern.filter((bits) => {
      const again = encode(decode(bits));
      return (bits & 0x7fff) <= infinity ? again !== bits : !Number.isNaN(decode(again));
    });
    expect(Array.from(wrong)).toEqual([]);
  });

  it('rounds to the nearest, ties to even, and past the largest to infinity', () => {
    // Halfway between two neighbours, and the nearest float32 on either side of it; the last gap ends where the next number would be.
    const wrong = everyPattern.subarray(0, infinity).filter((bits) => {
      const low = decode(bits);
      const high = bits + 1 === infinity ? 2 * low - decode(bits - 1) : decode(bits + 1);
      const middle = (low + high) / 2;
      const away = 2 ** -20 * (high - low);
      const even = bits & 1 ? bits + 1 : bits;
      // bfloat16's smallest numbers lie too close together for a float32 in between.
      const tie = Math.fround(middle) === middle && (encode(middle) !== even || encode(-middle) !== (even | 0x8000));
      const below = Math.fround(middle - away) < middle && encode(middle - away) !== bits;
      return tie || below || (Math.fround(middle + away) > middle && encode(middle + away) !== bits + 1);
    });
    expect(Array.from(wrong)).toEqual([]);
  });
});

describe('toFloat64', () => {
  const floats = [0, -0, 1.5, -3e38, 1e-40, Infinity, NaN];
  const samples: [DType, ArrayBufferView, ArrayLike<number>][] = [
    ['f64', Float64Array.from([...floats, 1e300]), [...floats, 1e300]],
    ['f32', Float32Array.from(floats), floats.map(Math.fround)],
    ['i32', Int32Array.of(0, -1, 2 ** 31 - 1, -(2 ** 31)), [0, -1, 2 ** 31 - 1, -(2 ** 31)]],
    ['u32', Uint32Array.of(0, 2 ** 31, 2 ** 32 - 1), [0, 2 ** 31, 2 ** 32 - 1]],
    ['f16', everyPattern, Array.from(everyPattern, halfTruth)],
    ['bf16', everyPattern, Array.from(everyPattern, bfloatTruth)],
  ];

  it.each(samples)('reads %s exactly, wherever in memory it begins', (dtype, array, want) => {
    const bytes = new Uint8Array(array.buffer);
    for (const start of [0, 1, 3]) {
      const shifted = new Uint8Array(bytes.length + start);
      shifted.set(bytes, start);
      expectIdentical(toFloat64({ dtype, shape: [want.length], bytes: shifted.subarray(start) }), want);
    }
  });

  it('refuses a byte count that contradicts shape and dtype', () => {
    for (const [dtype, size] of [
      ['f64', 48],
      ['f32', 24],
      ['f16', 12],
      ['i32', 24],
    ] as const) {
      for (const length of [size - 1, size + 1, 0]) {
        expect(() => toFloat64({ dtype, shape: [2, 3], bytes: new Uint8Array(length) })).toThrow(CheckpointError);
      }
      expect(toFloat64({ dtype, shape: [2, 3], bytes: new Uint8Array(size) })).toHaveLength(6);
    }
    expect(() => toFloat64({ dtype: 'f32', shape: [-1], bytes: new Uint8Array(0) })).toThrow(ShapeError);
  });
});

describe('stored', () => {
  it('wraps arrays without changing a value, typed ones without a copy', () => {
    const all = Float32Array.of(1, 2, 3, 4, 5);
    const part = all.subarray(1, 4);
    const wrapped = stored(part);
    expect(wrapped).toMatchObject({ dtype: 'f32', shape: [3] });
    expect(wrapped.bytes.buffer).toBe(all.buffer);
    expectIdentical(toFloat64(wrapped), [2, 3, 4]);
    expectIdentical(toFloat64(stored([0.1, -0], [2, 1])), [0.1, -0]);
    expect(() => stored([1, 2, 3], [2])).toThrow(ShapeError);
  });

  it('names the dtype of each kind of array', () => {
    const arrays = [new Float64Array(1), new Float32Array(1), new Int32Array(1), new Uint32Array(1), [1]];
    expect(arrays.map(dtypeOf)).toEqual(['f64', 'f32', 'i32', 'u32', 'f64']);
  });
});
