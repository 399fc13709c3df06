import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  costs,
  type HostTensor,
  type MixingForm,
  multiplicationCosts,
  type MultiplicationForm,
  softmaxAttention,
  ssdChunked,
  ssdQuadratic,
  ssdRecurrent,
  tensorOf,
} from '../src/index.js';
import { Counted, countedModule } from './support/counting.js';
import { filled, type Kind, numbersFrom, problem } from './support/generators.js';

/** The same numbers, counting. `sequence` tells x, B, C and states from decays. */
function counting(array: typeof Float64Array, t: HostTensor, sequence: boolean): HostTensor {
  const numbers = Array.from(t.data, (v) => new Counted(v, 0, sequence));
  return tensorOf(array.from(numbers as unknown as number[]), 'f64', t.shape);
}

const sizes = fc.record({
  seed: fc.nat(1e6),
  l: fc.integer({ min: 1, max: 20 }),
  n: fc.integer({ min: 1, max: 5 }),
  p: fc.integer({ min: 1, max: 5 }),
  q: fc.integer({ min: 1, max: 9 }),
  h: fc.integer({ min: 1, max: 3 }),
});

const recurrent = countedModule<typeof import('../src/ssd/recurrent.js')>('ssd/recurrent.ts');
const quadratic = countedModule<typeof import('../src/ssd/quadratic.js')>('ssd/quadratic.ts');
const chunked = countedModule<typeof import('../src/ssd/chunked.js')>('ssd/chunked.ts');
const softmax = countedModule<typeof import('../src/attention/softmax.js')>('attention/softmax.ts');

describe('the cost model, against the real code run on numbers that count', () => {
  const ssd = {
    ssm: { ...recurrent, run: recurrent.module.ssdRecurrent, plain: ssdRecurrent, form: 'recurrence' },
    quadratic: { ...quadratic, run: quadratic.module.ssdQuadratic, plain: ssdQuadratic, form: 'maskedAttention' },
    ssd: { ...chunked, run: chunked.module.ssdChunked, plain: ssdChunked, form: 'blockDecomposition' },
  };

  for (const [name, { run, plain, tally, reset, array, form }] of Object.entries(ssd)) {
    it(`is exact for ${name}`, () => {
      fc.assert(
        fc.property(sizes, ({ seed, l, n, p, q, h }) => {
          const next = numbersFrom(seed);
          const input = {
            x: filled(next, [1, l, h, p]),
            dt: filled(() => 0.6 + 0.5 * next(), [1, l, h]),
            A: filled(() => -1 - next(), [h]),
            B: filled(next, [1, l, h, n]),
            C: filled(next, [1, l, h, n]),
            initialStates: filled(next, [1, h, p, n]),
          };
          const counted = Object.fromEntries(
            Object.entries(input).map(([key, t]) => [key, counting(array, t, key !== 'dt' && key !== 'A')]),
          ) as unknown as typeof input;
          reset();
          const { y } = run(counted, ...(name === 'ssd' ? [{ chunkLength: q }] : []));
          // It computed what it should: the same operations on the same numbers.
          expect(Array.from(y.data, Number)).toEqual([
            ...plain(input, ...(name === 'ssd' ? [{ chunkLength: q }] : [])).y.data,
          ]);
          const cost = costs(name as MixingForm, { l, n, p, q, h });
          expect(tally.multiplications).toBe(cost.multiplyAdds);
          expect(tally.exponentials).toBe(cost.exponentials);
          expect(tally.depth).toBe(cost.depth);
          // A step of the recurrence contracts vectors, n·p products twice; everywhere else contractions are products of matrices.
          expect(tally.contractions).toBe(name === 'ssm' ? 2 * h * l * n * p : cost.matrixProducts);
          if (name === 'ssm') expect(cost.matrixProducts).toBe(0);
          // What a form allocates for one head; the chunked form does so anew for every chunk, here all of the same length.
          const allocated = (tally.allocated.get(form) ?? 0) / h;
          if (name !== 'ssd') expect(allocated).toBe(cost.memory);
          else if (l % q === 0 || l < q) expect(allocated / Math.ceil(l / q)).toBe(cost.memory);
          expect(cost.stateSize).toBe(h * n * p);
        }),
        { numRuns: 30 },
      );
    });
  }

  it('is exact for softmax attention', () => {
    fc.assert(
      fc.property(sizes, ({ seed, l, n, p }) => {
        const next = numbersFrom(seed);
        const input = { Q: filled(next, [l, n]), K: filled(next, [l, n]), V: filled(next, [l, p]) };
        const { module, tally, reset, array } = softmax;
        const counted = Object.fromEntries(
          Object.entries(input).map(([key, t]) => [key, counting(array, t, true)]),
        ) as unknown as typeof input;
        reset();
        const Y = module.softmaxAttention(counted);
        expect(Array.from(Y.data, Number)).toEqual([...softmaxAttention(input).data]);
        const cost = costs('attention', { l, n, p });
        // Weights come from Q and K as well, so that normalising them looks like a contraction: one division an entry.
        expect(tally.contractions - (l * (l + 1)) / 2).toBe(cost.matrixProducts);
        expect(tally.multiplications).toBe(cost.multiplyAdds);
        expect(tally.exponentials).toBe(cost.exponentials);
        expect(tally.depth).toBe(cost.depth);
        // One row of weights for each position, of its length; the longest is what must be there at once.
        expect(tally.allocated.get('softmaxRows')).toBe((cost.memory * (cost.memory + 1)) / 2);
        expect(cost.stateSize).toBe(input.K.data.length + input.V.data.length);
      }),
      { numRuns: 30 },
    );
  });

  const products = {
    recurrent: {
      ...countedModule<typeof import('../src/structured/recurrent.js')>('structured/recurrent.ts'),
      name: 'multiplyRecurrent',
    },
    quadratic: {
      ...countedModule<typeof import('../src/structured/quadratic.js')>('structured/quadratic.ts'),
      name: 'multiplyQuadratic',
    },
    chunked: {
      ...countedModule<typeof import('../src/structured/chunked.js')>('structured/chunked.ts'),
      name: 'multiplyChunked',
    },
    divided: {
      ...countedModule<typeof import('../src/structured/divided.js')>('structured/divided.ts'),
      name: 'multiplyDivided',
    },
  };

  for (const [form, { module, name, tally, reset, array }] of Object.entries(products)) {
    it(`is exact for the ${form} product with a semiseparable matrix`, () => {
      fc.assert(
        fc.property(sizes, fc.constantFrom<Kind>('scalar', 'diagonal', 'general'), ({ seed, l, n, p, q }, kind) => {
          const { M, X } = problem({ seed, l, n, p, kind, decades: [-1, 0] });
          const counted = {
            A: counting(array, M.A, true),
            B: counting(array, M.B, true),
            C: counting(array, M.C, true),
          };
          const multiply = (module as Record<string, (M: object, X: HostTensor, options?: object) => HostTensor>)[
            name
          ]!;
          reset();
          multiply(counted, counting(array, X, true), ...(form === 'chunked' ? [{ chunkLength: q }] : []));
          const cost = multiplicationCosts(form as MultiplicationForm, { l, n, p, q, A: kind });
          expect(tally.multiplications).toBe(cost.multiplyAdds);
          expect(tally.depth).toBe(cost.depth);
          expect(cost.stored).toBe(M.A.data.length + M.B.data.length + M.C.data.length);
        }),
        { numRuns: 30 },
      );
    });
  }
});

describe('what the model says', () => {
  const size = { l: 4096, n: 128, p: 64, q: 64, h: 24 };

  it('is the comparison of the paper: SSD as cheap as the SSM, as parallel as attention, and made of matrix products', () => {
    const [ssm, attention, ssd] = [costs('ssm', size), costs('attention', size), costs('ssd', size)];
    // Growth in l: linear, quadratic, linear.
    const growth = (form: MixingForm) =>
      costs(form, { ...size, l: 2 * size.l }).multiplyAdds / costs(form, size).multiplyAdds;
    expect(growth('ssm')).toBeCloseTo(2, 6);
    expect(growth('attention')).toBeCloseTo(4, 2);
    expect(growth('ssd')).toBeCloseTo(2, 6);
    expect(ssd.multiplyAdds / ssm.multiplyAdds).toBeLessThan(1.5);
    expect(ssd.matrixProducts / ssd.multiplyAdds).toBeGreaterThan(0.9);
    expect(ssm.depth / ssd.depth).toBeGreaterThan(50);
    expect(attention.stateSize / ssd.stateSize).toBe((size.l * (size.n + size.p)) / (size.n * size.p));
  });

  it('gives the price of one more token as a difference', () => {
    const more = (form: MixingForm, l: number) =>
      costs(form, { ...size, l: l + 1 }).multiplyAdds - costs(form, { ...size, l }).multiplyAdds;
    expect(more('ssm', 10)).toBe(more('ssm', 1000));
    expect(more('ssm', 10)).toBe(costs('ssm', { ...size, l: 1 }).multiplyAdds);
    expect(more('attention', 1000)).toBe(size.h * 1001 * (size.n + size.p + 2));
  });

  it('refuses sizes and forms it does not know', () => {
    for (const bad of [0, -1, 1.5, NaN, Infinity]) {
      expect(() => costs('ssd', { ...size, l: bad })).toThrow(ArgumentError);
      expect(() => costs('ssd', { ...size, q: bad })).toThrow(ArgumentError);
      expect(() => multiplicationCosts('divided', { l: bad, n: 1 })).toThrow(ArgumentError);
    }
    expect(() => costs('ssd', { ...size, k: 1 } as never)).toThrow(/no option "k"/);
    expect(() => costs('scan' as 'ssd', size)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: costs; given: scan; expected: one of ssm, quadratic, ssd, attention]`,
    );
    expect(() => multiplicationCosts('dense' as 'divided', { l: 1, n: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: form; given: dense; expected: one of recurrent, quadratic, chunked, divided]`,
    );
    expect(() => multiplicationCosts('divided', { l: 1, n: 1, A: 'banded' as 'scalar' })).toThrow(ArgumentError);
  });
});
