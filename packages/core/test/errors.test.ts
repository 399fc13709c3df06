import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  CheckpointError,
  DeviceError,
  expectIds,
  expectNumber,
  expectShape,
  expectShapes,
  heads,
  hostTensor,
  Mamba2Error,
  refuseUnknown,
  samplingParams,
  ShapeError,
  shapeText,
  sizeOf,
  split,
  ssdRecurrent,
  stored,
  toFloat64,
  UnsupportedError,
} from '../src/index.js';
import { reference } from '../src/reference/index.js';

const zeros = (...shape: number[]) => hostTensor(new Float64Array(sizeOf(shape)), shape);

describe('what a user reads', () => {
  /** The message of what `call` throws, with its class. */
  function thrown(call: () => unknown): string {
    try {
      call();
    } catch (error) {
      if (error instanceof Mamba2Error) return `${error.name}: ${error.message}`;
      throw error;
    }
    throw new Error('nothing was thrown');
  }
  const backend = reference();
  const u = backend.zeros([1, 3, 8]);

  it('about sampling', () => {
    expect(thrown(() => samplingParams({ temperature: NaN }))).toMatchInlineSnapshot(
      `"ArgumentError: temperature; given: NaN; expected: a number ≥ 0 and ≤ 1000"`,
    );
    expect(thrown(() => samplingParams({ topP: 0 }))).toMatchInlineSnapshot(
      `"ArgumentError: topP; given: 0; expected: a number > 0 and ≤ 1"`,
    );
    expect(thrown(() => samplingParams({ top_p: 0.9 } as object))).toMatchInlineSnapshot(
      `"ArgumentError: sampling has no option "top_p"; expected: one of repetitionPenalty, temperature, topK, topP, minP"`,
    );
  });

  it('about shapes', () => {
    expect(thrown(() => hostTensor([1, 2, 3], [2, 2]))).toMatchInlineSnapshot(
      `"ShapeError: values and shape disagree; given: 3 values; expected: 4 for shape (2, 2)"`,
    );
    expect(thrown(() => split(zeros(1, 6), [2, 3]))).toMatchInlineSnapshot(
      `"ShapeError: split does not add up to the last axis; given: 2 + 3 = 5; expected: 6, of (1, 6)"`,
    );
    expect(thrown(() => heads(zeros(1, 6), 4))).toMatchInlineSnapshot(
      `"ShapeError: heads do not fit into the last axis; given: heads of 4 in (1, 6); expected: a divisor of the last axis"`,
    );
    const input = { x: zeros(1, 5, 4, 2), dt: zeros(1, 5, 3), A: zeros(4), B: zeros(1, 5, 1, 8), C: zeros(1, 5, 1, 8) };
    expect(thrown(() => ssdRecurrent(input))).toMatchInlineSnapshot(
      `"ShapeError: dt has the wrong shape; given: (1, 5, 3); expected: (b=1, l=5, h=4)"`,
    );
    expect(thrown(() => backend.linear(u, backend.weight(stored(new Float32Array(6), [2, 3]))))).toMatchInlineSnapshot(
      `"ShapeError: x has the wrong shape; given: (1, 3, 8); expected: (1, 3, 3)"`,
    );
  });

  it('about dtypes and ids', () => {
    const table = backend.weight(stored(new Float32Array(20), [10, 2]));
    expect(thrown(() => backend.embed(backend.upload([1, 2], [1, 2]), table))).toMatchInlineSnapshot(
      `"ShapeError: ids has the wrong dtype; given: f64; expected: i32; to mend it: upload it as an Int32Array"`,
    );
    expect(thrown(() => backend.embed(backend.upload(Int32Array.of(10), [1, 1]), table))).toMatchInlineSnapshot(
      `"ArgumentError: token id outside the vocabulary; given: 10; expected: 0 … 9"`,
    );
  });

  it('about files', () => {
    expect(thrown(() => toFloat64({ dtype: 'f16', shape: [2, 3], bytes: new Uint8Array(11) }))).toMatchInlineSnapshot(
      `"CheckpointError: wrong number of bytes for f16 values of shape (2, 3); given: 11 bytes; expected: 12 bytes"`,
    );
  });

  it('about devices', () => {
    const gone = backend.zeros([2]);
    backend.free(gone);
    expect(thrown(() => backend.add(gone, gone))).toMatchInlineSnapshot(
      `"DeviceError: a was used after its memory was released; given: a tensor of shape (2); to mend it: return it from the scope that made it, or make it outside"`,
    );
    expect(thrown(() => backend.add(zeros(2), zeros(2)))).toMatchInlineSnapshot(
      `"DeviceError: a is not a tensor of this backend; to mend it: upload it to this one"`,
    );
    expect(thrown(() => backend.scope(async () => {}))).toMatchInlineSnapshot(
      `"ArgumentError: scope needs a synchronous function; given: one that returns a Promise; to mend it: await outside the scope"`,
    );
    expect(thrown(() => backend.program(() => backend.zeros([1])).run())).toMatchInlineSnapshot(
      `"ArgumentError: zeros inside a program; to mend it: do it before the program, and let the program use the result"`,
    );
    expect(thrown(() => backend.weight(stored([1], [1, 1]), { format: 'q5' as 'q4' }))).toMatchInlineSnapshot(
      `"ArgumentError: weight format; given: "q5"; expected: "stored", "q8" or "q4""`,
    );
  });
});

describe('errors', () => {
  it('are told apart by class and name, and carry their details and cause', () => {
    for (const Kind of [ShapeError, CheckpointError, UnsupportedError, DeviceError, ArgumentError]) {
      const cause = new Error('below');
      const error = new Kind('what', { given: 'g', fix: 'f', cause });
      expect(error).toBeInstanceOf(Mamba2Error);
      expect(error.name).toBe(Kind.name);
      expect(error.message).toBe('what; given: g; to mend it: f');
      expect(error.details).toEqual({ given: 'g', fix: 'f', cause });
      expect(error.cause).toBe(cause);
    }
    expect('cause' in new ShapeError('what')).toBe(false);
  });
});

describe('checks', () => {
  it('of numbers return what is in range and refuse the rest', () => {
    expect(expectNumber('n', 3, { min: 3, max: 3, integer: true })).toBe(3);
    expect(expectNumber('n', -Infinity, {})).toBe(-Infinity);
    expect(expectNumber('n', 1e-9, { above: 0 })).toBe(1e-9);
    const refused: [unknown, Parameters<typeof expectNumber>[2]][] = [
      [NaN, {}],
      ['3', {}],
      [undefined, {}],
      [3n, {}],
      [2.9, { min: 3 }],
      [3.1, { max: 3 }],
      [0, { above: 0 }],
      [1.5, { integer: true }],
      [2 ** 53, { integer: true }],
      [Infinity, { integer: true }],
    ];
    for (const [value, rule] of refused) expect(() => expectNumber('n', value, rule)).toThrow(ArgumentError);
  });

  it('of ids name the first that is none', () => {
    expectIds([0, 4], 5);
    for (const bad of [[5], [0, -1], [NaN]]) expect(() => expectIds(bad, 5)).toThrow(ArgumentError);
  });

  it('of options refuse names they do not know', () => {
    refuseUnknown('f', undefined, []);
    refuseUnknown('f', { a: 1, b: undefined }, ['a', 'b']);
    expect(() => refuseUnknown('f', { a: 1, c: undefined }, ['a', 'b'])).toThrow(ArgumentError);
  });

  it('of shapes bind names on first sight', () => {
    const axes: Record<string, number> = {};
    expectShape('x', zeros(2, 3), ['b', 'l'], axes);
    expectShape('y', zeros(3, 4, 2), ['l', 4, 'b'], axes);
    expect(axes).toEqual({ b: 2, l: 3 });
    expect(() => expectShape('z', zeros(3, 3), ['b', 'l'], axes)).toThrow(ShapeError);
    expect(() => expectShape('z', zeros(2, 3, 1), ['b', 'l'], axes)).toThrow(ShapeError);
    expect(() => expectShape('z', zeros(2), [3])).toThrow(ShapeError);
  });

  it('of several shapes go by a table, and pass over what is absent', () => {
    const table = { x: 'bl', y: 'lp', z: 'p' };
    expect(expectShapes({ x: zeros(2, 3), y: zeros(3, 4), z: undefined }, table)).toEqual({ b: 2, l: 3, p: 4 });
    expect(() => expectShapes({ x: zeros(2, 3), y: zeros(4, 4) }, table)).toThrow(/^y has the wrong shape.*l=3, p/);
    expect(() => expectShapes({ x: zeros(2, 3, 1) }, table)).toThrow(ShapeError);
  });

  it('count elements and write shapes down', () => {
    expect([sizeOf([]), sizeOf([2, 3]), sizeOf([5, 0])]).toEqual([1, 6, 0]);
    for (const bad of [[-1], [1.5], [NaN], [2 ** 53], [2 ** 30, 2 ** 30]])
      expect(() => sizeOf(bad)).toThrow(ShapeError);
    expect(shapeText([1, 'l', 3])).toBe('(1, l, 3)');
  });
});
