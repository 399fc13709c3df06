/**
 * The parts of one decoding step on the GPU, each by itself: `npx tsx --conditions=@mamba2/source bench/gpu-step.ts [--dawn FLAG] [--variants …] [--slots N]
 * [--json] [SHAPE …]`. Microseconds of one run among many that wait for each other, each with the weights and states of another layer, as in a model, so that
 * what a model reads from memory is read from memory here; what they compute is checked by `gpu-model.ts` and the tests.
 */
import { type Backend, flat, heads, split, type Tensor } from '@mamba2/core';
import { deviceTime, noise } from './gpu/measure.js';
import { halves, randomModel, type Shape, SHAPES } from './gpu/network.js';
import { benchOptions, report } from './gpu/options.js';

const [P, N, EPS] = [64, 128, 1e-5];

function parts(backend: Backend, { dModel, layers, vocab }: Shape, slots: number): Record<string, () => Tensor> {
  const dInner = 2 * dModel;
  const h = dInner / P;
  const dConv = dInner + 2 * N;
  const random = (...shape: number[]) =>
    backend.upload(
      noise(
        shape.reduce((a, b) => a * b),
        0.5,
      ),
      shape,
    );
  const u = random(slots, 1, dModel);
  const norm = random(dModel);
  const blocks = Array.from({ length: layers }, () => ({
    in_proj: backend.weight(halves(2 * dInner + 2 * N + h, dModel)),
    out_proj: backend.weight(halves(dModel, dInner)),
    state: backend.zeros([slots, h, P, N]),
  }));
  let turn = 0;
  const next = () => blocks[turn++ % layers]!;
  const embedding = backend.weight(halves(vocab, dModel));
  const conv = { weight: random(dConv, 4), bias: random(dConv) };
  const convState = backend.zeros([slots, 3, dConv]);
  const lengths = backend.upload(new Int32Array(slots).fill(1));
  const w = { A: backend.upload(new Float32Array(h).fill(-1)), D: random(h), dt_bias: random(h) };
  const gatedNorm = random(dInner);
  const zxbcdt = random(slots, 1, 2 * dInner + 2 * N + h);
  const xBC = random(slots, 1, dConv);
  const [z, , dt] = split(zxbcdt, [dInner, dConv, h]) as [Tensor, Tensor, Tensor];
  const y0 = random(slots, 1, dInner);
  const logits = random(slots, 1, vocab);
  const { sampler } = randomModel(backend, { name: '', dModel: 64, layers: 0, vocab }, slots);
  const step = (state = next().state) => {
    const [x, B, C] = split(xBC, [dInner, N, N]) as [Tensor, Tensor, Tensor];
    return flat(backend.ssd(heads(x, P), dt, heads(B, N), heads(C, N), w, state, { dtSoftplus: true, lengths }));
  };
  return {
    embed: () => backend.embed({ ...sampler.token, shape: [slots, 1], strides: [1, 1] }, embedding),
    'norm, in_proj': () => backend.linear(backend.rmsNorm(u, norm, { eps: EPS }), next().in_proj),
    'norm, in_proj, conv': () => {
      const out = backend.linear(backend.rmsNorm(u, norm, { eps: EPS }), next().in_proj);
      return backend.causalConv1d(split(out, [dInner, dConv, h])[1]!, conv, convState, { lengths });
    },
    step: () => step(),
    'norm, out_proj, residual': () =>
      backend.linear(backend.rmsNorm(y0, gatedNorm, { eps: EPS }), next().out_proj, { residual: u }),
    'step, gated norm, out_proj': () => {
      const { state, out_proj } = next();
      return backend.linear(backend.rmsNorm(step(state), gatedNorm, { eps: EPS, gate: z }), out_proj, { residual: u });
    },
    'norm, lm_head': () => backend.linear(backend.rmsNorm(u, norm, { eps: EPS }), embedding),
    sample: () => backend.sample(logits, sampler),
  };
}

const options = await benchOptions();
const { backend, gpu, slots } = options;
const table: Record<string, string | number>[] = [];
for (const name of options.positionals.length > 0 ? options.positionals : ['130m']) {
  const shape = SHAPES.find((known) => known.name === name);
  if (!shape) throw new Error(`no shape "${name}"; known: ${SHAPES.map((known) => known.name).join(', ')}`);
  for (const [part, fn] of Object.entries(parts(backend, shape, slots))) {
    const { micros, spread } = await deviceTime(gpu, fn, { repeats: 40 });
    table.push({ shape: name, slots, part, micros: Number(micros.toFixed(2)), spread: Number(spread.toFixed(2)) });
  }
}
report(options, table);
backend.dispose();
