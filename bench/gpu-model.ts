/**
 * Decoding and prefill of random weights in the published shapes, stored as f16: `npx tsx --conditions=@mamba2/source bench/gpu-model.ts [--dawn FLAG]
 * [--variants NAME] [--json] [SHAPE …]`. Before anything is timed, decoding a prompt token by token must agree with reading it at once.
 */
import type { Backend } from '@mamba2/core';
import { noise, relativeError, summary } from './gpu/measure.js';
import { type RandomModel, randomModel, SHAPES } from './gpu/network.js';
import { benchOptions, report } from './gpu/options.js';

const TOKENS = 256;
const PROMPT = 1024;
/** Two orders of summation in f32 over dozens of layers of random weights. */
const TOLERANCE = 1e-3;

const idsOf = (length: number, vocab: number) =>
  Int32Array.from(noise(length), (v) => Math.floor(((v + 1) / 2) * (vocab - 1)));

/** Both ways through one prompt; the relative difference of the logits at its end. */
async function check(backend: Backend, model: RandomModel, vocab: number): Promise<number> {
  const ids = idsOf(70, vocab);
  const read = async (lengths: readonly number[]) => {
    model.reset();
    let [at, last] = [0, new Float32Array(0) as ArrayLike<number>];
    for (const length of lengths) {
      const logits = backend.scope(() =>
        model.logits(model.hidden(backend.upload(ids.slice(at, at + length), [1, length]))),
      );
      last = await backend.read(logits);
      backend.free(logits);
      at += length;
    }
    return last;
  };
  const error = relativeError(await read(Array.from(ids, () => 1)), await read([ids.length]));
  if (!(error <= TOLERANCE))
    throw new Error(`decoding and prefill differ by ${error}, more than ${TOLERANCE}: nothing to time`);
  return error;
}

/** Milliseconds a token, wall clock, sampling and reading each, as many in flight as the backend likes. */
async function decode(backend: Backend, model: RandomModel): Promise<number> {
  const { sampler } = model;
  const program = backend.program(() => {
    const ids = { ...sampler.token, shape: [1, 1], strides: [1, 1] };
    backend.sample(model.logits(model.hidden(ids)), sampler);
  });
  const run = async (tokens: number) => {
    const start = performance.now();
    const inFlight: Promise<unknown>[] = [];
    for (let i = 0; i < tokens; i++) {
      program.run();
      inFlight.push(Promise.all([backend.read(sampler.token), backend.read(sampler.logProb)]));
      if (inFlight.length >= backend.lookahead) await inFlight.shift();
    }
    await Promise.all(inFlight);
    return (performance.now() - start) / tokens;
  };
  await run(8);
  const best = summary(await inTurn(3, () => run(TOKENS)));
  program.dispose();
  return best.micros;
}

/** Milliseconds from a prompt to the logits of its last position. */
async function prefill(backend: Backend, model: RandomModel, vocab: number): Promise<number> {
  const ids = idsOf(PROMPT, vocab);
  const run = async () => {
    const start = performance.now();
    const logits = backend.scope(() => model.logits(model.hidden(backend.upload(ids, [1, PROMPT]))));
    await backend.read({ ...logits, shape: [1], strides: [1] });
    backend.free(logits);
    return performance.now() - start;
  };
  await run();
  return summary(await inTurn(5, run)).micros;
}

async function inTurn(count: number, fn: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) samples.push(await fn());
  return samples;
}

const options = await benchOptions();
const { backend } = options;
const wanted = options.positionals.length > 0 ? options.positionals : ['130m', '2.7b'];
const rows: Record<string, string | number>[] = [];
for (const name of wanted) {
  const shape = SHAPES.find((known) => known.name === name);
  if (!shape) throw new Error(`no shape "${name}"; known: ${SHAPES.map((known) => known.name).join(', ')}`);
  const model = randomModel(backend, shape);
  const error = await check(backend, model, shape.vocab);
  const perToken = await decode(backend, model);
  const promptTime = await prefill(backend, model, shape.vocab);
  rows.push({
    model: name,
    parameters: model.parameters,
    'tokens/s': Number((1e3 / perToken).toPrecision(4)),
    'weights TB/s': Number((model.bytes / perToken / 1e9).toPrecision(3)),
    'prefill 1024, ms': Number(promptTime.toPrecision(4)),
    'prefill TFLOP/s': Number(((2 * model.parameters * PROMPT) / promptTime / 1e9).toPrecision(3)),
    error: Number(error.toExponential(1)),
  });
}
report(options, rows);
backend.dispose();
