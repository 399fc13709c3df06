import { reference } from '@mamba2/core/reference';
import { expect, test } from 'vitest';
import { type Measured, type Refused, runPlan } from '../src/compare/benchmark.js';
import { errorOf, inputsFor, onBackend, onLoops, truthOf } from '../src/compare/contenders.js';
import { apart } from '../src/compare/end-labels.js';
import { asCsv } from '../src/compare/export.js';
import { costsOf, fits, forms, lengthsUpTo } from '../src/compare/sizes.js';

const size = { l: 128, n: 5, p: 4, h: 3, q: 16 };

test('sizes: what fits, which lengths, and whose keys are p wide', () => {
  expect(fits(size)).toBe(true);
  expect(fits({ ...size, n: 0 })).toBe(false);
  expect(fits({ ...size, l: 99.5 })).toBe(false);
  expect(fits({ ...size, h: NaN })).toBe(false);
  expect(lengthsUpTo(512)).toEqual([64, 128, 256, 512]);
  expect(lengthsUpTo(40)).toEqual([40]);
  expect(costsOf('attention', size)).toEqual(costsOf('attention', { ...size, n: 77 }));
});

test('labels that would touch spread about their middle, and the others stay', () => {
  expect(apart([0, 100, 40], 14)).toEqual([0, 0, 0]);
  expect(apart([50, 44, 0], 14)).toEqual([4, -4, 0]);
  // The first two make a group that reaches the third.
  const places = [10, 0, 22];
  const moved = apart(places, 14).map((shift, i) => places[i]! + shift);
  expect(moved[0]! - moved[1]!).toBeCloseTo(14, 12);
  expect(moved[2]! - moved[0]!).toBeCloseTo(14, 12);
  expect(moved.reduce((sum, place) => sum + place, 0)).toBeCloseTo(32, 12);
});

test('SSM and SSD are one function, in loops and on a backend; attention is another', async () => {
  const inputs = inputsFor(size);
  const backend = reference();
  for (const form of forms) {
    const truth = truthOf(form, 'wasm', inputs);
    expect(truth.positions).toBe(size.l);
    for (const contender of [onLoops(form, inputs), onBackend(form, inputs, backend)]) {
      await contender.run(2);
      expect(errorOf(await contender.output(), truth)).toBeLessThan(1e-12);
      expect(contender.variant()).not.toBe('');
      contender.free();
    }
  }
  const wrong = await onLoops('attention', inputs).output();
  expect(errorOf(wrong, truthOf('ssd', 'wasm', inputs))).toBeGreaterThan(0.5);
  backend.dispose();
});

test('a plan is checked before it is timed: what is wrong or fails gives no time, the others do', async () => {
  const honest = reference();
  const broken = {
    ...honest,
    ssd: ((...args: Parameters<typeof honest.ssd>) => {
      const y = honest.ssd(...args);
      return honest.add(y, y);
    }) as typeof honest.ssd,
    attention: (() => {
      throw new Error('no attention here');
    }) as typeof honest.attention,
  };
  const measured: Measured[] = [];
  const refused: Refused[] = [];
  await runPlan({ device: 'wasm', size: { ...size, l: 64 }, rounds: 5 }, broken, (report) => {
    if ('measured' in report) measured.push(report.measured);
    if ('refused' in report) refused.push(report.refused);
  });
  expect(measured.map(({ form }) => form)).toEqual(['ssm']);
  expect(measured[0]!.samples.length).toBe(5);
  expect(measured[0]!.checkedPositions).toBe(64);
  expect(refused.map(({ form, reason }) => [form, reason])).toEqual([
    ['ssd', 'wrong'],
    ['attention', 'failed'],
  ]);
  expect(refused[1]!.message).toBe('no attention here');
  const [head, line, end] = asCsv({ measured: [{ ...measured[0]!, variant: 'a "b", c' }] }).split('\n');
  expect(head!.split(',').slice(0, 3)).toEqual(['form', 'device', 'variant']);
  expect(line!.startsWith('ssm,wasm,"a ""b"", c",64,5,4,3,16,')).toBe(true);
  expect(end).toBe('');
  honest.dispose();
});
