import { Mamba2 } from '@mamba2/model';
import { wasm } from '@mamba2/ssd-cpu';
import { storyteller } from '@mamba2/storyteller';
import { inTurn, median, note } from './measure.ts';
import { m129, randomModel, small } from './network.ts';
import { ours } from './ours.ts';

/** From `load` returning to the first token, and tokens a second, over whole generations as users call them. */
export async function benchStoryteller(threads: number): Promise<void> {
  console.log(`The storyteller (4.58 M, f16), ${threads} threads`);
  const [firsts, rates]: [number[], number[]] = [[], []];
  for (let round = 0; round < 5; round++) {
    const model = await Mamba2.load(storyteller, { backend: await wasm({ threads }) });
    const loaded = performance.now();
    let [tokens, first] = [0, 0];
    for await (const _ of model.generate('Once upon a time', { maxTokens: 1024, seed: round, ignoreEos: true })) {
      if (tokens++ === 0) first = performance.now();
    }
    firsts.push(first - loaded);
    rates.push(((tokens - 1) / (performance.now() - first)) * 1000);
    model.dispose();
  }
  note('storyteller', { 'first token, ms': median(firsts), 'tokens per second': median(rates) });
}

/** The cost of a decoding step at position 10 and at 100 000, in turn: two sequences of one model. */
export async function benchPositions(threads: number): Promise<void> {
  console.log(`A step at position 10 and at 100 000, 256 × 4, ${threads} threads`);
  const backend = await wasm({ threads });
  // Small enough that 100 000 tokens pass quickly; what could grow with the position does not depend on the model's size.
  const model = randomModel(small);
  const [early, late] = [ours(backend, model), ours(backend, model)];
  const ids = (length: number) => Int32Array.from({ length }, (_, i) => (i * 7919) % small.vocab);
  await early.prefill(ids(10));
  for (let fed = 0; fed < 100_000; fed += 1000) await late.prefill(ids(1000));
  const steps = (model: typeof early) => async () => {
    for (let i = 0; i < 20; i++) await model.step(i);
  };
  await inTurn(
    '20 steps',
    [
      ['from position 10', steps(early)],
      ['from position 100 000', steps(late)],
    ],
    101,
  );
  backend.dispose();
}

/** Prefill in segments of 512, as the model feeds long prompts, up to 32 768 tokens: time per token, on one thread and on all. */
export async function benchLengths(threads: number): Promise<void> {
  console.log(`Prefill of 2048, 8192 and 32 768 tokens, 256 × 4, 1 and ${threads} threads`);
  const [one, all] = [await wasm({ threads: 1 }), await wasm({ threads })];
  const random = randomModel(small);
  const [alone, shared] = [ours(one, random), ours(all, random)];
  const segment = Int32Array.from({ length: 512 }, (_, i) => (i * 7919) % small.vocab);
  const prefill = (model: typeof alone, length: number) => async () => {
    model.reset();
    for (let fed = 0; fed < length; fed += 512) await model.prefill(segment);
  };
  for (const length of [2048, 8192, 32_768]) {
    const [ms = 0] = await inTurn(
      `prefill of ${length}`,
      [
        ['all threads', prefill(shared, length)],
        ['one thread', prefill(alone, length)],
      ],
      length > 10_000 ? 3 : 7,
    );
    note(`prefill of ${length}`, { 'µs per token, all threads': (ms / length) * 1000 });
  }
  one.dispose();
  all.dispose();
}

/** Decoding on one thread and on all: steps as a generation queues them, some in flight, of each of which a number is read. */
export async function benchThreads(threads: number): Promise<void> {
  console.log(`Decoding on 1 and ${threads} threads`);
  for (const [sizes, formats, count] of [
    [small, ['stored', 'q8'], 200],
    [m129, ['stored', 'q8', 'q4'], 20],
  ] as const) {
    const model = randomModel(sizes);
    for (const format of formats) {
      const [one, all] = [await wasm({ threads: 1 }), await wasm({ threads })];
      const [alone, shared] = [ours(one, model, format), ours(all, model, format)];
      await inTurn(
        `${model.name}, ${format === 'stored' ? 'f32' : format}, ${count} steps`,
        [
          ['all threads', () => shared.decode(count)],
          ['one thread', () => alone.decode(count)],
        ],
        15,
      );
      one.dispose();
      all.dispose();
    }
  }
}
