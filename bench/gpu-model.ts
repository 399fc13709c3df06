/**
 * Decoding and prefill of random weights in the published shapes, stored as f16: `npx tsx --conditions=@mamba2/source bench/gpu-model.ts [--dawn FLAG]
 * [--variants NAME] [--precision f16] [--slots N] [--kernels] [--json] [SHAPE …]`. Before anything is timed, decoding a prompt token by token must agree with reading it at
 * once. The first token's time is that of the first shape, on pipelines that nothing has compiled yet. With `--kernels` it tells instead what each kernel of a
 * prefill and of a step of decoding takes by the device's own clock, in passes of their own, which add some µs each.
 */
import type { Backend } from '@mamba2/core';
import { noise, relativeError, summary } from './gpu/measure.js';
import type { KernelTime } from './gpu/kernel-times.js';
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
async function decode(backend: Backend, model: RandomModel, times = 4) {
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
  const silent = summary(await inTurn(times - 1, () => run(TOKENS, false)));
  encoding = 0;
  const timed = summary(await inTurn(times, () => run(TOKENS, true)));
  program.dispose();
  return { perToken: timed.micros, spread: timed.spread, silent: silent.micros, host: encoding / times / TOKENS };
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

/** How many prompts a process reads until its JavaScript is compiled as well as it will be. */
const PRACTICE = 60;

/**
 * Milliseconds from a prompt to the logits of its last position, each operation called anew: the first prompts of a process, and when it has read many; and from a
 * program that was recorded before.
 */
async function prefill(backend: Backend, model: RandomModel, vocab: number) {
  const ids = idsOf(PROMPT, vocab);
  const run = async () => {
    const start = performance.now();
    const logits = backend.scope(() => model.logits(model.hidden(backend.upload(ids, [1, PROMPT]))));
    await backend.read({ ...logits, shape: [1], strides: [1] });
    backend.free(logits);
    return performance.now() - start;
  };
  const input = backend.upload(ids, [1, PROMPT]);
  const program = backend.program(() => model.logits(model.hidden(input)));
  const replay = async () => {
    const start = performance.now();
    const logits = program.run();
    await backend.read({ ...logits, shape: [1], strides: [1] });
    return performance.now() - start;
  };
  await run();
  const early = summary(await inTurn(7, run)).micros;
  await inTurn(PRACTICE, run);
  const called = summary(await inTurn(7, run)).micros;
  await inTurn(3, replay);
  const recorded = summary(await inTurn(7, replay)).micros;
  program.dispose();
  backend.free(input);
  return { early, called, recorded };
}

/** What each kernel takes in one prefill, and in one step of decoding behind it: medians of several, all calls of a kind added up. */
async function kernelRows(backend: Backend, model: RandomModel, vocab: number, times: () => Promise<KernelTime[]>) {
  const ids = backend.upload(idsOf(PROMPT, vocab), [1, PROMPT]);
  const token = { ...model.sampler.token, shape: [1, 1], strides: [1, 1] };
  const phases = {
    prefill: async () => {
      const logits = backend.scope(() => model.logits(model.hidden(ids)));
      await backend.read({ ...logits, shape: [1], strides: [1] });
      backend.free(logits);
    },
    decode: async () => {
      // Several, so that the device does not wait for the host.
      for (let i = 0; i < STEPS; i++)
        backend.scope(() => backend.sample(model.logits(model.hidden(token, model.sampler.active)), model.sampler));
      await backend.read(model.sampler.token);
    },
  };
  const rows: Record<string, string | number>[] = [];
  for (const [phase, run] of Object.entries(phases)) {
    const taken = new Map<string, number[][]>();
    for (let round = -2; round < 7; round++) {
      await run();
      const all = await times();
      for (const { kernel, grid, micros } of round < 0 ? [] : all) {
        const key = `${kernel} | ${grid}`;
        const rounds = taken.get(key) ?? [];
        (rounds[round] ??= []).push(micros);
        taken.set(key, rounds);
      }
    }
    const steps = phase === 'decode' ? STEPS : 1;
    for (const [key, rounds] of taken) {
      const [kernel = '', grid = ''] = key.split(' | ');
      const calls = rounds[0]!.length / steps;
      const sum = summary(rounds.map((each) => each.reduce((a, b) => a + b) / steps));
      const each = summary(rounds.flat());
      rows.push({
        phase,
        kernel,
        grid,
        calls,
        'µs a call': each.micros,
        'µs in all': Math.round(sum.micros),
        spread: sum.spread,
      });
    }
  }
  return rows;
}

/** Steps of decoding in a row. */
const STEPS = 4;

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
  if (options.times) {
    const each = await kernelRows(backend, model, shape.vocab, options.times);
    rows.push(...each.map((row) => ({ model: name, ...row })));
    continue;
  }
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
      'prefill 1024, ms': three(promptTime.called),
      'first prompts, ms': three(promptTime.early),
      'recorded, ms': three(promptTime.recorded),
      'prefill TFLOP/s': three(
        (2 * (model.parameters - shape.vocab * shape.dModel) * PROMPT) / promptTime.recorded / 1e9,
      ),
    }),
    ...(error && { error: Number(error.toExponential(1)) }),
  });
}
report(options, rows);
backend.dispose();
