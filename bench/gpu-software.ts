/**
 * WebGPU on a software driver, ours beside the two other libraries that have Mamba-2's product there, all in this process and on the same driver:
 * onnxruntime-web's `LinearAttention` and a chunked SSD in jax-js. `pnpm bench gpu-software [ssd | model] [--rounds N]`. Each is first checked against
 * core's chunked form in float64, or the model against our reference backend; then they take turns. A run is numbers in, numbers out.
 */
import { cpus } from 'node:os';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Backend, hostTensor, ssdChunked } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { webgpu } from '@mamba2/ssd-gpu';
import { findGpu } from '../packages/ssd-gpu/src/runtime/gpu.js';
import { n, p, randomModel } from './cpu/network.ts';
import { loadOnnxRuntime, theirs, theirSsd } from './cpu/onnxruntime.ts';
import { ours } from './cpu/ours.ts';
import { noise, relativeError } from './gpu/measure.js';
import { peers } from './peers.ts';
import { pretendBrowser } from './software/browser.ts';
import { jaxSsd, loadJax } from './software/jax.ts';

const ADAPTER = 'llvmpipe';

interface Contender {
  readonly name: string;
  run(): Promise<Float32Array>;
}

interface Timed {
  readonly name: string;
  /** ‖got − want‖ / ‖want‖ against float64 */
  readonly error: number;
  /** Milliseconds of a run: the median, the fastest, the slowest. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Checks every contender, then times them in rounds that visit all. @throws Error when one computes something else */
async function inTurn(want: ArrayLike<number>, contenders: readonly Contender[], rounds: number): Promise<Timed[]> {
  const errors: number[] = [];
  for (const { name, run } of contenders) {
    const error = relativeError(await run(), want);
    if (!(error <= 1e-4)) throw new Error(`${name} is off by ${error}: nothing to time`);
    errors.push(error);
    await run();
  }
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of contenders.entries()) {
      const start = performance.now();
      await run();
      times[i]!.push(performance.now() - start);
    }
  }
  return contenders.map(({ name }, i) => {
    const sorted = times[i]!.sort((a, b) => a - b);
    const round = (v: number) => Number(v.toFixed(1));
    const [least = 0, median = 0, most = 0] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
    const error = Number(errors[i]!.toExponential(1));
    return { name, error, median: round(median), least: round(least), most: round(most) };
  });
}

async function benchSsd(backend: Backend, rounds: number): Promise<Timed[]> {
  const [l, h] = [512, 8];
  const [x, B, C] = [noise(l * h * p), noise(l * n), noise(l * n)];
  const dt = noise(l * h, 0.05).map((v) => Math.abs(v) + 1e-3);
  const A = noise(h).map((v) => -1 - Math.abs(v));
  const shapes = { x: [1, l, h, p], dt: [1, l, h], B: [1, l, 1, n], C: [1, l, 1, n] };
  const want = ssdChunked({
    x: hostTensor(x, shapes.x),
    dt: hostTensor(dt, shapes.dt),
    A: hostTensor(A),
    B: hostTensor(B, shapes.B),
    C: hostTensor(C, shapes.C),
  }).y.data;

  const run = async () => {
    const y = backend.scope(() => {
      const up = (values: Float32Array, shape: number[]) => backend.upload(values, shape);
      const inputs = [up(x, shapes.x), up(dt, shapes.dt), up(B, shapes.B), up(C, shapes.C)] as const;
      return backend.ssd(...inputs, { A: up(A, [h]) }, backend.zeros([1, h, p, n]));
    });
    const values = (await backend.read(y)) as Float32Array;
    backend.free(y);
    return values;
  };
  const inputs = {
    C,
    B,
    x: x.map((v, e) => v * dt[Math.floor(e / p)]!),
    decay: dt.map((v, e) => v * A[e % h]!),
  };
  const state = new Float32Array(h * n * p);
  const ort = await theirSsd(await loadOnnxRuntime(1, 'webgpu'), l, h, 'webgpu');
  const jax = jaxSsd(await loadJax(), l, h);
  const contenders = [
    { name: 'ours', run },
    { name: 'onnxruntime-web, LinearAttention', run: () => ort({ ...inputs, state }) },
    { name: 'jax-js, chunked', run: () => jax(inputs) },
  ];
  return inTurn(want, contenders, rounds);
}

async function benchModel(backend: Backend, rounds: number): Promise<Timed[]> {
  const model = randomModel({ name: 'small', dModel: 256, layers: 4, vocab: 4096 });
  const ids = Int32Array.from({ length: 512 }, (_, i) => (i * 7919) % model.vocab);
  const want = await ours(reference() as Backend, model).prefill(ids);
  const own = ours(backend, model);
  const ort = await theirs(await loadOnnxRuntime(1, 'webgpu'), model, 'webgpu');
  const from = (m: { prefill(ids: Int32Array): Promise<Float32Array>; reset(): void }) => () => {
    m.reset();
    return m.prefill(ids);
  };
  return inTurn(
    want,
    [
      { name: 'ours', run: from(own) },
      { name: 'onnxruntime-web', run: from(ort) },
    ],
    rounds,
  );
}

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '15' } },
  allowPositionals: true,
});
const versions = peers();
const gpu = await findGpu([`adapter=${ADAPTER}`]);
const backend = (await webgpu({ dawn: [`adapter=${ADAPTER}`] })) as Backend;
pretendBrowser(gpu);
const wanted = (name: string) => positionals.length === 0 || positionals.includes(name);
const results: Record<string, Timed[]> = {};
const show = (title: string, timed: Timed[]) => {
  console.log(title);
  console.table(timed);
  for (const { name, median } of timed.slice(1))
    console.log(`  ${(median / timed[0]!.median).toFixed(2)} times as fast as ${name}`);
  results[title] = timed;
};
const rounds = Number(values.rounds);
if (wanted('ssd')) show(`SSD, l=512, h=8, p=${p}, n=${n}`, await benchSsd(backend, rounds));
if (wanted('model')) show('256 × 4 layers, prefill of 512', await benchModel(backend, Math.ceil(rounds / 3)));
// A part of the comparison is for looking at; the whole is kept.
if (positionals.length === 0) {
  const { device, operations, notes } = backend.describe();
  const machine = { device, cpu: `${cpus().length} × ${cpus()[0]!.model}`, node: process.version, peers: versions };
  const folder = fileURLToPath(new URL('results/software/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const report = {
    ...machine,
    rounds,
    milliseconds: results,
    ssd: operations['ssd'],
    linear: operations['linear'],
    notes,
  };
  writeFileSync(`${folder}${ADAPTER}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
}
process.exit();
