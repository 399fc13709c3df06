import { it } from 'vitest';
import type { Golden } from '../../../../../fixtures/read.ts';
import { expectClose } from '../expect-close.js';
import { run, type Suite } from './context.js';
import { runSsd } from './ssd-cases.js';

/** The options that each case of `fixtures/goldens/manifest.json` was made with. */
const SSD_CASES = [
  { name: 'minimal', dtSoftplus: false },
  { name: 'plain', dtSoftplus: false },
  { name: 'full', dtSoftplus: true },
  { name: 'groups', dtSoftplus: true, dtLimit: [0.01, 0.2] as const },
  { name: 'packed', dtSoftplus: true },
  { name: 'strong_decay', dtSoftplus: false },
  { name: 'long_memory', dtSoftplus: false },
  { name: 'small_dt', dtSoftplus: true },
];

/** The golden values are stored in float32: nobody agrees with them to better than its rounding, 6e-8 a number. */
const goldenTolerance = (suite: Suite) => Math.max(suite.tolerance, 1e-6);

export function ssdGoldenTests(suite: Suite): void {
  it.each(SSD_CASES)('golden case $name', async ({ name, ...options }) => {
    const t = await suite.goldens(`ssd/${name}.safetensors`);
    const of = (tensor: string) => t[tensor]?.values;
    const [b, l, h, p] = t['x']!.shape as Four;
    const [, , g, n] = t['B']!.shape as Four;
    const { y, state } = await runSsd(suite.backend, {
      ...options,
      b,
      l,
      h,
      p,
      g,
      n,
      x: of('x')!,
      dt: of('dt')!,
      A: of('A')!,
      B: of('B')!,
      C: of('C')!,
      D: of('D'),
      z: of('z'),
      dt_bias: of('dt_bias'),
      initial: of('initial_states'),
      seqIdx: of('seq_idx'),
    });
    expectClose(y, of('y')!, goldenTolerance(suite), 'y');
    expectClose(state, of('final_states')!, goldenTolerance(suite), 'final_states');
  });
}

export function selectiveScanGoldenTest(suite: Suite): void {
  it('golden case basic', async () => {
    const t = await suite.goldens('selective-scan/basic.safetensors');
    const [b, d, l] = t['u']!.shape as [number, number, number];
    const n = t['A']!.shape[1]!;
    const { backend } = suite;
    const { y, state } = await run(backend, () => {
      const up = (name: string, shape: number[]) => backend.upload(Float64Array.from(t[name]!.values), shape);
      const alongLast = (name: string, width: number) => backend.upload(lengthBeforeWidth(t[name]!), [b, l, width]);
      const state = backend.zeros([b, d, n]);
      const w = { A: up('A', [d, n]), D: up('D', [d]), dt_bias: up('delta_bias', [d]) };
      const options = { dtSoftplus: true, z: alongLast('z', d) };
      const [B, C] = [alongLast('B', n), alongLast('C', n)];
      return { y: backend.selectiveScan(alongLast('u', d), alongLast('delta', d), B, C, w, state, options), state };
    });
    expectClose(y, lengthBeforeWidth(t['y']!), goldenTolerance(suite), 'y');
    expectClose(state, t['last_state']!.values, goldenTolerance(suite), 'last_state');
  });
}

type Four = [number, number, number, number];

/** (b, d, l), as Mamba-1 lays tensors out, → (b, l, d). */
function lengthBeforeWidth({ shape, values }: Golden): Float64Array {
  const [b, d, l] = shape as [number, number, number];
  const out = new Float64Array(b * l * d);
  for (let i = 0; i < b; i++)
    for (let k = 0; k < d; k++) for (let t = 0; t < l; t++) out[(i * l + t) * d + k] = values[(i * d + k) * l + t]!;
  return out;
}
