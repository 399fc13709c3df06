import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  cumprodsum,
  denseBlock,
  entry,
  hostTensor,
  multiplyChunked,
  multiplyDivided,
  multiplyQuadratic,
  multiplyRecurrent,
  type NestedNumbers,
  oneSemiseparable,
  segsum,
  semiseparableProduct,
  semiseparableSum,
  semiseparableTranspose,
  ShapeError,
  toDense,
  UnsupportedError,
} from '../src/index.js';
import { numericalRank, semiseparableOrder } from '../src/ranks/index.js';

const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
const forms = [multiplyRecurrent, multiplyQuadratic, multiplyChunked, multiplyDivided];

describe('bad input to structured matrices', () => {
  it('of lengths that disagree is a ShapeError in every form', () => {
    for (const form of forms) {
      expect(() => form(M, [1, 2])).toThrow(ShapeError);
      expect(() => form({ ...M, A: [1, 0.5] }, [1, 2, 3])).toThrow(ShapeError);
      expect(() => form({ ...M, C: [[1], [1]] }, [1, 2, 3])).toThrow(ShapeError);
      expect(() =>
        form(
          {
            ...M,
            C: [
              [1, 1],
              [1, 1],
              [1, 1],
            ],
          },
          [1, 2, 3],
        ),
      ).toThrow(ShapeError);
      expect(() => form({ ...M, A: [[[1, 2]], [[1, 2]], [[1, 2]]] }, [1, 2, 3])).toThrow(ShapeError);
      expect(() => form({ ...M, A: [[[[1]]], [[[1]]], [[[1]]]] }, [1, 2, 3])).toThrow(ShapeError);
      expect(() => form({ A: [], B: [], C: [] }, [])).toThrow(ShapeError);
      expect(() => form(M, [[[1]], [[1]], [[1]]])).toThrow(ShapeError);
      expect(() => form({ ...M, B: [[1], [1, 2], [1]] }, [1, 2, 3])).toThrow(ShapeError);
    }
  });

  it('says what came and what was wanted', () => {
    expect(() => multiplyRecurrent(M, [1, 2])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: X has the wrong shape; given: (2); expected: (l=3)]`,
    );
    expect(() => multiplyRecurrent({ ...M, A: [1, NaN, 1] }, [1, 2, 3])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: A, element 1 of (3); given: NaN; expected: a finite number]`,
    );
    expect(() => multiplyRecurrent({ ...M, B: [[1], [1, 2], [1]] }, [1, 2, 3])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: B is ragged; given: nested arrays of different lengths; expected: all as long as the first: (3, 1)]`,
    );
    expect(() => semiseparableSum(M, semiseparableTranspose(M))).toThrowErrorMatchingInlineSnapshot(
      `[UnsupportedError: the sum of a lower and an upper triangular matrix; to mend it: multiply by the two one after the other and combine the results]`,
    );
    expect(() =>
      semiseparableOrder([
        [1, 2],
        [0, 1],
      ]),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: entry (0, 1), above the diagonal; given: 2; expected: 0; to mend it: transpose an upper-triangular matrix; the order belongs to one triangle]`,
    );
    expect(() => oneSemiseparable(new Float64Array(20_000))).toThrowErrorMatchingInlineSnapshot(
      `[UnsupportedError: a dense matrix of shape (20000, 20000); expected: at most 2^27 entries; to mend it: multiply by it in one of its structured forms, or look at a block of it]`,
    );
  });

  it('that is not finite is an ArgumentError', () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const form of forms) {
        expect(() => form({ ...M, A: [1, bad, 1] }, [1, 2, 3])).toThrow(ArgumentError);
        expect(() => form({ ...M, B: [[1], [bad], [1]] }, [1, 2, 3])).toThrow(ArgumentError);
        expect(() => form(M, [1, bad, 3])).toThrow(ArgumentError);
      }
      expect(() => segsum([0, bad])).toThrow(ArgumentError);
      expect(() => oneSemiseparable([1, bad])).toThrow(ArgumentError);
      expect(() => cumprodsum([1, bad], [1, 1])).toThrow(ArgumentError);
      expect(() => numericalRank([[1, bad]])).toThrow(ArgumentError);
    }
  });

  it('that is no number at all is an ArgumentError', () => {
    const words = [['a'], ['b'], ['c']] as unknown as NestedNumbers;
    expect(() => multiplyRecurrent({ ...M, B: words }, [1, 2, 3])).toThrow(ArgumentError);
    expect(() => segsum(undefined as unknown as number[])).toThrow(ArgumentError);
    expect(() => segsum('12' as unknown as number[])).toThrow(ArgumentError);
    expect(() => segsum([1, undefined] as unknown as number[])).toThrow(ArgumentError);
  });

  it('in options is refused by name', () => {
    for (const chunkLength of [0, -1, 1.5, NaN, Infinity])
      expect(() => multiplyChunked(M, [1, 2, 3], { chunkLength })).toThrow(ArgumentError);
    expect(() => multiplyChunked(M, [1, 2, 3], { chunklength: 2 } as object)).toThrow(/no option "chunklength"/);
    for (const tolerance of [-1, 1, NaN]) expect(() => numericalRank([[1]], { tolerance })).toThrow(ArgumentError);
    expect(() => toDense({ ...M, triangle: 'left' as 'lower' })).toThrow(ArgumentError);
  });

  it('of positions and ranges is refused', () => {
    for (const bad of [-1, 3, 0.5, NaN]) {
      expect(() => entry(M, bad, 0)).toThrow(ArgumentError);
      expect(() => entry(M, 0, bad)).toThrow(ArgumentError);
    }
    for (const range of [
      [0, 4],
      [-1, 2],
      [2, 1],
      [0.5, 2],
    ] as const) {
      expect(() => denseBlock(M, range, [0, 3])).toThrow(ShapeError);
      expect(() => denseBlock(M, [0, 3], range)).toThrow(ShapeError);
    }
  });

  it('to the algebra is refused when there is no such result', () => {
    const short = { A: [1, 1], B: [[1], [1]], C: [[1], [1]] };
    expect(() => semiseparableSum(M, short)).toThrow(ShapeError);
    expect(() => semiseparableProduct(M, short)).toThrow(ShapeError);
    expect(() => semiseparableProduct(semiseparableTranspose(M), M)).toThrow(UnsupportedError);
  });

  it('of matrices without an order is refused', () => {
    expect(() =>
      semiseparableOrder([
        [1, 2, 3],
        [0, 1, 2],
      ]),
    ).toThrow(ShapeError);
    expect(() =>
      semiseparableOrder([
        [1, 2],
        [0, 1],
      ]),
    ).toThrow(ArgumentError);
    expect(() => numericalRank([1, 2, 3])).toThrow(ShapeError);
  });

  it('never allocates what it would have to refuse', () => {
    const l = 2 ** 16;
    const long = {
      A: new Float64Array(l).fill(1),
      B: hostTensor(new Float64Array(l), [l, 1]),
      C: hostTensor(new Float64Array(l), [l, 1]),
    };
    expect(() => toDense(long)).toThrow(UnsupportedError);
    expect(() => segsum(long.A)).toThrow(UnsupportedError);
    expect(entry(long, l - 1, 0)).toBe(0);
  });
});
