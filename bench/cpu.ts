import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { wasm } from '@mamba2/ssd-cpu';
import { benchLengths, benchPositions, benchStoryteller, benchThreads } from './cpu/alone.ts';
import { agree, difference, finish, inTurn, note } from './cpu/measure.ts';
import { m129, n, p, type RandomModel, randomModel, small } from './cpu/network.ts';
import { llamaCpp } from './cpu/llama.ts';
import { loadOnnxRuntime, theirs, theirSsd } from './cpu/onnxruntime.ts';
import { ours } from './cpu/ours.ts';
import { peers } from './peers.ts';

/**
 * Ours beside onnxruntime-web, both in WebAssembly, and llama.cpp, native code through node-llama-cpp: first that they compute the same, then times, taken in turn; and ours alone.
 * `pnpm bench cpu [ssd] [small] [129m] [storyteller] [positions] [lengths] [threads] [--threads 2] [--relaxed] [--save]`.
 * The peers are fetched when one of the first three needs them; `--save` puts the results into bench/results/cpu.
 */
async function benchSsd(threads: number): Promise<void> {
  peers();
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
  await inTurn(
    'SSD',
    [
      ['ours', run],
      ['onnxruntime-web', () => ort(feeds)],
    ],
    31,
    5,
  );
  backend.dispose();
}

/** Probabilities of logits. */
function softmax(logits: Float32Array): Float32Array {
  const top = logits.reduce((most, v) => Math.max(most, v));
  const weights = logits.map((v) => Math.exp(v - top));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w) => w / total);
}

async function benchModel(model: RandomModel, threads: number, rounds: number): Promise<void> {
  peers();
  console.log(`${model.name}: ${model.dModel} × ${model.layers}, f32, prefill of 512 and decoding, ${threads} threads`);
  const backend = await wasm({ threads });
  const [stored, q8, q4] = [ours(backend, model), ours(backend, model, 'q8'), ours(backend, model, 'q4')];
  const ort = await theirs(await loadOnnxRuntime(threads), model);
  const [llama, llamaQ8] = [await llamaCpp(model, 'f32', threads), await llamaCpp(model, 'q8', threads)];
  const ids = Int32Array.from({ length: 512 }, (_, i) => (i * 7919) % model.vocab);
  const mine = await stored.prefill(ids);
  agree('logits of the prompt, onnxruntime', mine, await ort.prefill(ids));
  const exact = softmax(mine);
  agree('probabilities behind the prompt, llama.cpp', exact, await llama.probabilities(ids));
  // Each rounds weights (and llama.cpp activations) in its own way, and an exponential over random layers makes much of it: what both are held to
  // is how far they are from f32. Our blocks are as fine as theirs, so that ours has no reason to be farther; half as much again is for chance.
  const rounded = {
    'ours, q8': difference(softmax(await q8.prefill(ids)), exact),
    'llama.cpp, Q8_0': difference(await llamaQ8.probabilities(ids), exact),
    'ours, q4': difference(softmax(await q4.prefill(ids)), exact),
  };
  note(`${model.name}, relative L2 difference of probabilities from f32`, rounded);
  if (!(rounded['ours, q8'] < 1.5 * rounded['llama.cpp, Q8_0'])) throw new Error('8 bits lose more than in llama.cpp');
  agree('logits of a step, onnxruntime', await stored.step(5), await ort.step(5));
  const steps = await inTurn(
    `${model.name}, one step`,
    [
      ['ours', () => stored.step(5)],
      ['onnxruntime-web', () => ort.step(5)],
      ['ours, q8', () => q8.step(5)],
      ['llama.cpp, Q8_0', () => llamaQ8.step(5)],
      ['ours, q4', () => q4.step(5)],
      ['llama.cpp', () => llama.step(5)],
    ],
    rounds * 3,
    10,
  );
  const [f32 = 0, , q8Step = 0, theirQ8 = 0, q4Step = 0] = steps;
  const ratios = { 'f32 / q8': f32 / q8Step, 'f32 / q4': f32 / q4Step, 'llama.cpp, Q8_0 / ours, q8': theirQ8 / q8Step };
  note(`${model.name}, one step`, ratios);
  // A step by itself waits for its logits; a generation has the next ones under way.
  const tokens = 10;
  const queued = await inTurn(
    `${model.name}, ${tokens} tokens as a generation queues them`,
    [
      ['ours', () => stored.decode(tokens)],
      ['ours, q8', () => q8.decode(tokens)],
      ['ours, q4', () => q4.decode(tokens)],
    ],
    rounds * 3,
  );
  const [f32Queued = 0, q8Queued = 0, q4Queued = 0] = queued;
  note(`${model.name}, ${tokens} tokens as a generation queues them`, {
    'f32 / q8': f32Queued / q8Queued,
    'f32 / q4': f32Queued / q4Queued,
  });
  await inTurn(
    `${model.name}, prefill of 512`,
    [
      ['ours', () => stored.prefill(ids)],
      ['onnxruntime-web', () => ort.prefill(ids)],
      ['ours, q8', () => q8.prefill(ids)],
      ['llama.cpp', () => llama.prefill(ids)],
    ],
    rounds,
  );
  await llama.dispose();
  await llamaQ8.dispose();
  backend.dispose();
}

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    relaxed: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});
const programs: Record<string, (threads: number) => Promise<void>> = {
  ssd: benchSsd,
  small: (threads) => benchModel(randomModel(small), threads, 11),
  '129m': (threads) => benchModel(randomModel(m129), threads, 3),
  storyteller: benchStoryteller,
  positions: benchPositions,
  lengths: benchLengths,
  threads: benchThreads,
};
const unknown = wanted.filter((name) => !(name in programs));
if (unknown.length > 0)
  throw new Error(`no such program: ${unknown.join(', ')}; there are ${Object.keys(programs).join(', ')}`);
const threads = Number(options.threads);
// Node 20 has relaxed SIMD behind a flag; later engines have it by default.
if (options.relaxed) setFlagsFromString('--experimental-wasm-relaxed-simd');
for (const name of wanted.length > 0 ? wanted : Object.keys(programs)) {
  await programs[name]!(threads);
  const file = `${name}-${threads}${options.relaxed ? '-relaxed' : ''}`;
  finish({ threads, relaxed: options.relaxed }, options.save ? file : undefined);
}
process.exit();
