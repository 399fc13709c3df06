import { stored, type Backend } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { afterAll, describe, inject, it } from 'vitest';
import { expectClose, expectIdentical } from '../../core/test/support/expect-close.js';
import * as oracle from '../../core/test/support/oracles.js';
import { randomInputs } from '../../core/test/support/random-inputs.js';
import { randomSsd, runSsd } from '../../core/test/support/suite/ssd-cases.js';
import { webgpu } from '../src/index.js';
import { traits } from './support/traits.js';

/** Inputs that no run before had; `MAMBA2_SEED` brings one back. */
const seed = Number(process.env['MAMBA2_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.info(`fresh inputs: MAMBA2_SEED=${seed}`);

const random = randomInputs(seed);
const upTo = (most: number) => 1 + random.integers(1, most)[0]!;
const pick = <T>(...choices: readonly T[]): T => choices[random.integers(1, choices.length)[0]!]!;

/** Shapes on both sides of a tile of 64, rarely powers of two, in groups, with every option on or off. */
const layers = Array.from({ length: 4 }, (_, i) => {
  const [h, g] = pick<[number, number]>([1, 1], [3, 1], [4, 2], [6, 3]);
  const [b, l, p, n] = [upTo(2), i === 0 ? 1 : upTo(200), upTo(90), upTo(150)];
  const size = pick(1, 1, 1000);
  const base = randomSsd(random.integers(1, 2 ** 30)[0]!, { b, l, h, p, g, n });
  const times = (t: Float64Array) => t.map((v) => Math.fround(size * v));
  return {
    ...base,
    x: times(base.x),
    B: times(base.B),
    C: times(base.C),
    A: pick<ArrayLike<number>>(base.A, random.uniform(h, -300, -20), random.uniform(h, -1e-4, -1e-6)),
    D: pick(undefined, random.normal(h), random.normal(h * p)),
    z: pick(undefined, random.normal(b * l * h * p)),
    dtSoftplus: pick(true, false),
    seqIdx: pick(
      undefined,
      random.uniform(b * l).map((v) => (v < 0.05 ? 1 : 0)),
    ),
    lengths: pick(undefined, [...random.integers(b, l + 1)]),
    initial: random.normal(b * h * p * n, size === 1 ? 1 : 1e5),
  };
});

const { tolerance } = traits;
const wanted = new Map<object, ReturnType<typeof oracle.ssd>>();
/** The closed sums of a layer, computed once for all variants. */
function want(layer: (typeof layers)[number]) {
  const known = wanted.get(layer) ?? oracle.ssd(layer);
  wanted.set(layer, known);
  return known;
}
const variantsOn = (name: string) => (name === 'llvmpipe' ? ['subgroups', 'portable'] : ['subgroups']);

// One driver is enough for what the drivers don't differ in; the others run the common suite.
describe.each(
  inject('gpuDrivers')
    .slice(0, 1)
    .flatMap((name) => variantsOn(name).map((variants) => ({ name, variants }))),
)('fresh inputs on $name, $variants', ({ name, variants }) => {
  const opened = webgpu({ dawn: [`adapter=${name}`], variants });
  afterAll(async () => (await opened).dispose());

  it.each(layers.map((layer, i) => ({ i, layer, ...layer })))(
    'ssd $i: b=$b l=$l h=$h p=$p g=$g n=$n, twice the same bits',
    async ({ layer }) => {
      const backend = await opened;
      const got = await runSsd(backend, layer);
      expectClose(got.y, want(layer).y, tolerance, `y, seed ${seed}`);
      expectClose(got.state, want(layer).state, tolerance, `state, seed ${seed}`);
      const again = await runSsd(backend, layer);
      expectIdentical(again.y, got.y, 'y, again');
      expectIdentical(again.state, got.state, 'state, again');
    },
  );

  it.each([1, 5, 70])('linear of %i rows on strided views, a norm, log-probabilities', async (rows) => {
    const [k, m] = [upTo(150), 1 + upTo(150)];
    const inputs = {
      x: random.normal(rows * (k + 3)),
      W: random.normal(m * k, 1 / Math.sqrt(k)),
      w: random.normal(k),
    };
    const ids = Int32Array.from(random.integers(rows, m));
    const compute = async (b: Backend): Promise<ArrayLike<number>[]> => {
      const x = { ...b.upload(inputs.x, [rows, k + 3]), shape: [rows, k], offset: 2 };
      const product = b.linear(
        b.rmsNorm(x, b.upload(inputs.w), { eps: 1e-5 }),
        b.weight(stored(Float32Array.from(inputs.W), [m, k])),
      );
      const scores = b.logProbs({ ...product, shape: [rows, 1, m], strides: [m, m, 1] }, b.upload(ids, [rows, 1]));
      return Promise.all([product, scores].map((t) => b.read(t)));
    };
    const [got, want] = await Promise.all([compute((await opened) as Backend), compute(reference() as Backend)]);
    got.forEach((t, i) => expectClose(t, want[i]!, tolerance, `${['product', 'log-probabilities'][i]}, seed ${seed}`));
  });
});
