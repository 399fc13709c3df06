import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { goldens, readGoldens } from '../../../fixtures/read.ts';
import { hostTensor, ssdChunked, type SsdInput, ssdQuadratic, ssdRecurrent } from '../src/index.js';
import { expectClose } from './support/expect-close.js';

interface Case {
  name: string;
  file: string;
  dt_softplus: boolean;
  dt_limit: [number, number | null];
}
const { ssd: cases } = JSON.parse(readFileSync(new URL('manifest.json', goldens), 'utf8')) as { ssd: Case[] };

/** A golden case as the input of core's forms, and the truth. */
function load({ file, dt_softplus: dtSoftplus, dt_limit: [lo, hi] }: Case) {
  const tensors = readGoldens(file);
  const host = (name: string) => {
    const t = tensors[name];
    return t && hostTensor(t.values, t.shape);
  };
  const input: SsdInput = {
    x: host('x')!,
    dt: host('dt')!,
    A: host('A')!,
    B: host('B')!,
    C: host('C')!,
    D: host('D'),
    z: host('z'),
    dt_bias: host('dt_bias'),
    initialStates: host('initial_states'),
    seqIdx: host('seq_idx'),
    dtSoftplus,
    dtLimit: [lo, hi ?? Infinity],
  };
  return { input, y: tensors['y']!.values, finalStates: tensors['final_states']!.values };
}

const forms = {
  recurrent: ssdRecurrent,
  quadratic: ssdQuadratic,
  'chunked, q = 64': (input: SsdInput) => ssdChunked(input, { chunkLength: 64 }),
  'chunked, q = 17': (input: SsdInput) => ssdChunked(input, { chunkLength: 17 }),
};

// The truth was computed in float64 and stored as float32, whose rounding alone is 6e-8 relative; 1e-6 leaves room for nothing but a few of
// those. The worst seen is 2.6e-8.
const TOLERANCE = 1e-6;

describe('the forms of ssd against golden values', () => {
  it('finds all eight cases', () => expect(cases).toHaveLength(8));

  describe.each(cases)('$name', (golden) => {
    const { input, y, finalStates } = load(golden);
    it.each(Object.entries(forms))('%s', (_, form) => {
      const out = form(input);
      expectClose(out.y.data, y, TOLERANCE, 'y');
      expectClose(out.finalStates.data, finalStates, TOLERANCE, 'final_states');
    });
  });
});
