/**
 * Decoding and prefill of random weights in the published shapes, stored as f16: `npx tsx --conditions=@mamba2/source bench/gpu-model.ts [--dawn FLAG]
 * [--variants NAME] [--precision f16] [--slots N] [--json] [SHAPE …]`. Before anything is timed, decoding a prompt token by token must agree with reading it at
 * once. The first token's time is that of the first shape, on pipelines that nothing has compiled yet.
 */
import type { Backend } from '@mamba2/core';
import { noise, relativeError, summary } from './gpu/measure.js';
import { type RandomModel, randomModel, SHAPES } from './gpu/network.js';
import { benchOptions, report } from './gpu/options.js';

const TOKENS = 256;
const PROMPT = 1024;
/** Two orders of summation in f32 over dozens of layers of random weights; products of a prompt rounded to f16. */
const tolerance = (precision: string) => (precision === 'f16' ? 2e-2 : 1e-3);

const idsOf = (length: number, vocab: number) =>
  Int32Array.from(noise(length), (v) => Math.floor(((v + 1) / 2) * (vocab - 1)));

/** Both ways through one prompt; the relative difference of the logits at its end. */
async function check(backend: Backend, model: RandomModel, vocab: number, most: number): Promise<number> {
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
  if (!(error <= most)) throw new Error(`decoding and prefill differ by ${error}, more than ${most}: nothing to time`);
  return error;
}

/** Milliseconds a token, wall clock, sampling and reading each, as many in flight as the backend likes. */
async function decode(backend: Backend, model: RandomModel) {
  const { sampler } = model;
  const program = backend.program(() => {
    const ids = { ...sampler.token, shape: [sampler.token.shape[0]!, 1], strides: [1, 1] };
    backend.sample(model.logits(model.hidden(ids, sampler.active)), sampler);
  });
  let encoding = 0;
  const run = async (tokens: number, reading: boolean) => {
    const start = performance.now();
    const inFlight: Promise<unknown>[] = [];
    let launched = 0;
    while (launched < tokens || inFlight.length > 0) {
      // As the decoder in @mamba2/model does: once half of what may be in flight has come back, as much is sent off together.
      if (inFlight.length <= backend.lookahead / 2) {
        const before = performance.now();
        for (; launched < tokens && inFlight.length < backend.lookahead; launched++) {
          program.run();
          inFlight.push(
            reading ? Promise.all([backend.read(sampler.token), backend.read(sampler.logProb)]) : Promise.resolve(),
          );
        }
        await Promise.resolve();
        encoding += performance.now() - before;
      }
      await inFlight.shift();
    }
    await backend.read(sampler.token);
    return (performance.now() - start) / tokens;
  };
  await run(16, true);
  const silent = summary(await inTurn(3, () => run(TOKENS, false)));
  encoding = 0;
  const timed = summary(await inTurn(4, () => run(TOKENS, true)));
  program.dispose();
  return { perToken: timed.micros, spread: timed.spread, silent: silent.micros, host: encoding / 4 / TOKENS };
}

/** Milliseconds from a prompt of 70 to its first token, everything that has to be compiled included. */
async function firstToken(backend: Backend, model: RandomModel, vocab: number): Promise<number> {
  const start = performance.now();
  backend.scope(() => {
    const x = model.hidden(backend.upload(idsOf(70, vocab), [1, 70]));
    backend.sample(model.logits(x), model.sampler);
  });
  await backend.read(model.sampler.token);
  return performance.now() - start;
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
  const { slots, precision } = options;
  const loading = performance.now();
  const model = randomModel(backend, shape, slots);
  await backend.read(model.sampler.token);
  const loaded = performance.now() - loading;
  const single = slots === 1;
  const first = single && rows.length === 0 ? await firstToken(backend, model, shape.vocab) : undefined;
  const error = single ? await check(backend, model, shape.vocab, tolerance(precision)) : undefined;
  const { perToken, spread, silent, host } = await decode(backend, model);
  const promptTime = single ? await prefill(backend, model, shape.vocab) : undefined;
  const three = (n: number) => Number(n.toPrecision(3));
  rows.push({
    model: name,
    slots,
    'tokens/s': Number(((1e3 * slots) / perToken).toPrecision(4)),
    spread: three(spread),
    'ms a step': three(perToken),
    'unread ms': three(silent),
    'host ms': three(host),
    'weights TB/s': three(model.bytes / perToken / 1e9),
    'loading s': three(loaded / 1e3),
    ...(first && { 'first token, ms': three(first) }),
    ...(promptTime && {
      'prefill 1024, ms': three(promptTime),
      'prefill TFLOP/s': three((2 * (model.parameters - shape.vocab * shape.dModel) * PROMPT) / promptTime / 1e9),
    }),
    ...(error && { error: Number(error.toExponential(1)) }),
  });
}
report(options, rows);
backend.dispose();
