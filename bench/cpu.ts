import { wasm } from '@mamba2/ssd-cpu';
import { type RandomModel, n, p, randomModel } from './cpu/network.ts';
import { loadOnnxRuntime, theirs, theirSsd } from './cpu/onnxruntime.ts';
import { ours } from './cpu/ours.ts';

/**
 * Ours beside onnxruntime-web, both in WebAssembly with two threads: first that they compute the same, then times, taken in turn.
 * `npm run bench:cpu -- [ssd | small | 129m]`; install the peer before with `npm install --prefix bench/peers`.
 */
type Contender = readonly [name: string, run: () => Promise<unknown>];

/** Median milliseconds of each, in `rounds` rounds that visit all of them. */
async function inTurn(contenders: readonly Contender[], rounds: number): Promise<number[]> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, run]] of contenders.entries()) {
      const start = performance.now();
      await run();
      times[i]!.push(performance.now() - start);
    }
  }
  const medians = times.map((t) => t.sort((a, b) => a - b)[t.length >> 1]!);
  contenders.forEach(([name], i) => console.log(`  ${name.padEnd(28)} ${medians[i]!.toFixed(2)} ms`));
  return medians;
}

function agree(what: string, a: Float32Array, b: Float32Array): void {
  let [error, norm] = [0, 0];
  a.forEach((v, i) => {
    error += (v - b[i]!) ** 2;
    norm += b[i]! ** 2;
  });
  const relative = Math.sqrt(error / norm);
  console.log(`  ${what}: relative L2 difference ${relative.toExponential(1)}`);
  // Two f32 computations in different orders, over many layers.
  if (!(relative < 1e-3)) throw new Error(`${what}: the contenders compute different things`);
}

async function benchSsd(threads: number): Promise<void> {
  const [l, h] = [512, 8];
  console.log(`SSD alone, l=${l}, h=${h}, p=${p}, n=${n}, ${threads} threads`);
  const random = (count: number, scale: number, shift = 0) =>
    Float32Array.from({ length: count }, () => shift + scale * (Math.random() - 0.5));
  const [x, B, C] = [random(l * h * p, 2), random(l * n, 2), random(l * n, 2)];
  const dt = random(l * h, 0.1, 0.06);
  const A = random(h, 1, -1);
  const backend = await wasm({ threads });
  const up = (values: Float32Array, shape: number[]) => backend.upload(values, shape);
  const inputs = [up(x, [1, l, h, p]), up(dt, [1, l, h]), up(B, [1, l, 1, n]), up(C, [1, l, 1, n])] as const;
  const w = { A: up(A, [h]) };
  const state = backend.zeros([1, h, p, n]);
  const run = async () => {
    const y = backend.scope(() => backend.ssd(...inputs, w, state));
    const values = (await backend.read(y)) as Float32Array;
    backend.free(y);
    return values;
  };
  const ort = await theirSsd(await loadOnnxRuntime(threads), l, h);
  const feeds = {
    C,
    B,
    x: x.map((v, i) => v * dt[Math.floor(i / p)]!),
    state: new Float32Array(h * n * p),
    decay: dt.map((v, i) => v * A[i % h]!),
  };
  agree('y', await run(), await ort(feeds));
  const [mine = 0, other = 0] = await inTurn(
    [
      ['ours', run],
      ['onnxruntime-web', () => ort(feeds)],
    ],
    61,
  );
  console.log(`  ${(other / mine).toFixed(2)} times onnxruntime-web's speed`);
  backend.dispose();
}

async function benchModel(model: RandomModel, threads: number, rounds: number): Promise<void> {
  console.log(`${model.name}: ${model.dModel} × ${model.layers}, f32, prefill of 512 and decoding, ${threads} threads`);
  const backend = await wasm({ threads });
  const [stored, q8, q4] = [ours(backend, model), ours(backend, model, 'q8'), ours(backend, model, 'q4')];
  const ort = await theirs(await loadOnnxRuntime(threads), model);
  const ids = Int32Array.from({ length: 512 }, (_, i) => (i * 7919) % model.vocab);
  agree('logits of the prompt', await stored.prefill(ids), await ort.prefill(ids));
  agree('logits of a step', await stored.step(5), await ort.step(5));
  console.log('  prefill of 512');
  const [mine = 0, other = 0] = await inTurn(
    [
      ['ours', () => stored.prefill(ids)],
      ['onnxruntime-web', () => ort.prefill(ids)],
      ['ours, q8', () => q8.prefill(ids)],
    ],
    rounds,
  );
  console.log(`  ${(other / mine).toFixed(2)} times onnxruntime-web's speed`);
  console.log('  one step');
  const steps = await inTurn(
    [
      ['ours', () => stored.step(5)],
      ['onnxruntime-web', () => ort.step(5)],
      ['ours, q8', () => q8.step(5)],
      ['ours, q4', () => q4.step(5)],
    ],
    rounds * 10,
  );
  const [f32 = 0, peer = 0, eight = 0, four = 0] = steps;
  console.log(
    `  ${(peer / f32).toFixed(2)} times onnxruntime-web's speed; q8 ${(f32 / eight).toFixed(2)}, q4 ${(f32 / four).toFixed(2)} times our f32`,
  );
  backend.dispose();
}

const wanted = process.argv.slice(2);
const is = (name: string) => wanted.length === 0 || wanted.includes(name);
const threads = Number(process.env['THREADS'] ?? 2);
if (is('ssd')) await benchSsd(threads);
if (is('small')) await benchModel(randomModel({ name: 'small', dModel: 256, layers: 4, vocab: 4096 }), threads, 11);
if (is('129m')) await benchModel(randomModel({ name: '129m', dModel: 768, layers: 24, vocab: 50288 }), threads, 5);
process.exit();
