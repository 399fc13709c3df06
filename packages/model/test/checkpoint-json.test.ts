import { CheckpointError } from '@mamba2/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJson, parseJsonObject } from '../src/checkpoint/json.js';
import { crc32 } from '../src/checkpoint/crc32.js';
import { slowCrc32 } from './support/checkpoint-files.js';

describe('JSON as Python writes it', () => {
  test('bare special numbers', () => {
    expect(parseJson('f', '{"a": [0.0, Infinity], "b": -Infinity, "c": NaN}')).toEqual({
      a: [0, Infinity],
      b: -Infinity,
      c: NaN,
    });
  });

  test("special numbers in transformers' form", () => {
    expect(parseJson('f', '{"limit": [0.0, {"__float__": "Infinity"}], "n": {"__float__": "NaN"}}')).toEqual({
      limit: [0, Infinity],
      n: NaN,
    });
    expect(parseJson('f', '{"__float__": "7"}')).toEqual({ __float__: '7' });
    expect(parseJson('f', '{"__float__": "NaN", "more": 1}')).toEqual({ __float__: 'NaN', more: 1 });
  });

  test('text that looks like special numbers stays text', () => {
    const value = { Infinity: 'NaN, -Infinity', 'a"Infinity': '\\', b: '\\"NaN' };
    expect(parseJson('f', JSON.stringify(value))).toEqual(value);
  });

  test.each(['{"a": 1, "a": 2}', '{"b": {"a": 1, "\\u0061": 2}}', '[{"x": [{"y": 1, "z": 0, "y": 1}]}]'])(
    'a key twice: %s',
    (text) => {
      expect(() => parseJson('f', text)).toThrow(/twice/);
    },
  );

  test('the same key in different objects is no repetition', () => {
    expect(parseJson('f', '{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}], "c": "a"}')).toEqual({
      a: { a: 1 },
      b: [{ a: 2 }, { a: 3 }],
      c: 'a',
    });
  });

  test.each(['', '{', '{"a": 1Infinity}', '{Infinity: 1}', '{"a": Infinit}', '{"a": +Infinity}', '"open', '[1,]'])(
    'not JSON: %s',
    (text) => {
      expect(() => parseJson('f', text)).toThrow(CheckpointError);
    },
  );

  test('nesting deeper than the call stack is refused, not crashed on', () => {
    const deep = `${'['.repeat(200_000)}NaN${']'.repeat(200_000)}`;
    expect(() => parseJson('f', deep)).toThrow(CheckpointError);
    expect(() => parseJsonObject('f', deep)).toThrow(CheckpointError);
  });

  test('agrees with JSON.parse wherever that is defined', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        // __proto__ and __float__ keys aside, which the two treat differently on purpose or not at all.
        fc.pre(!text.includes('__'));
        expect(parseJson('f', text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  test('long strings full of escapes take linear time', () => {
    const value = { a: '\\"'.repeat(500_000), b: 'Infinity' };
    expect(parseJson('f', JSON.stringify(value))).toEqual(value);
  });
});

describe('CRC-32', () => {
  test('of the standard check text', () => {
    // "123456789" is the check input of every CRC catalogue; its CRC-32 is CBF43926.
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  test('agrees with the bit-by-bit definition, in pieces and at any alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(8), fc.nat(100), (bytes, offset, cut) => {
        const moved = new Uint8Array(bytes.length + offset).subarray(offset);
        moved.set(bytes);
        expect(crc32(moved)).toBe(slowCrc32(bytes));
        expect(crc32(moved.subarray(cut), crc32(moved.subarray(0, cut)))).toBe(slowCrc32(bytes));
      }),
      { numRuns: 300 },
    );
  });
});
