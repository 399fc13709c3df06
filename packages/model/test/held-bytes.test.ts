import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockBytes, HeldBytes } from '../src/checkpoint/held-bytes.js';

const size = 5 * blockBytes + 1234;
/** No two blocks are alike. */
const bytes = new Uint8Array(size).map((_, i) => (i * 2654435761) >>> 24);
const expectSame = (taken: Uint8Array, start: number, end: number) =>
  expect(Buffer.compare(taken, bytes.subarray(start, end))).toBe(0);

function filled(forGood = false): HeldBytes {
  const held = new HeldBytes('file', size, forGood);
  held.add(bytes);
  return held;
}

test('what is read in order is let go, but for the beginning and the last block', () => {
  const held = new HeldBytes('file', size, false);
  const step = 300_000;
  const into = new Uint8Array(step);
  for (let start = 0; start < size; start += step) {
    const end = Math.min(start + step, size);
    held.add(bytes.subarray(start, end));
    const taken = held.take(start, end, into);
    expect(taken.buffer).toBe(into.buffer);
    expectSame(taken, start, end);
  }
  expect(held.arrived).toBe(size);
  expectSame(held.take(10, 900_000), 10, 900_000);
  expectSame(held.take(5 * blockBytes, size), 5 * blockBytes, size);
  expect(held.hasLetGo(blockBytes - 1, blockBytes + 1)).toBe(true);
  expect(held.hasLetGo(3 * blockBytes, 3 * blockBytes + 1)).toBe(true);
});

test('a beginning that is read in parts is no order', () => {
  const held = filled();
  for (const end of [65_536, 1_500_000]) expectSame(held.take(0, end), 0, end);
  expect(held.hasLetGo(0, size)).toBe(false);
});

test('the next range may begin a little before the last one’s end', () => {
  const held = filled();
  held.take(0, 3 * blockBytes);
  expect(held.hasLetGo(3 * blockBytes - 200, size)).toBe(false);
  expectSame(held.take(3 * blockBytes - 200, 4 * blockBytes), 3 * blockBytes - 200, 4 * blockBytes);
});

test('held for good, nothing is let go', () => {
  const held = filled(true);
  for (let i = 0; i < 2; i++) expectSame(held.take(0, size), 0, size);
  expect(held.hasLetGo(0, size)).toBe(false);
});

test('in whatever order ranges are read, none is let go before', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: size - 1 }), { maxLength: 12 });
  fc.assert(
    fc.property(cuts, fc.infiniteStream(fc.nat()), (places, random) => {
      const held = filled();
      const at = [0, ...places.toSorted((a, b) => a - b), size];
      const ranges = at.slice(1).map((end, i) => ({ start: at[i]!, end, turn: random.next().value as number }));
      for (const { start, end } of ranges.toSorted((a, b) => a.turn - b.turn)) {
        expect(held.hasLetGo(start, end)).toBe(false);
        expectSame(held.take(start, end), start, end);
      }
    }),
    { numRuns: 50 },
  );
});
