import { type Backend } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGoldens } from '../../../fixtures/read.ts';
import { type GenerateOptions, type Mamba2 } from '../src/index.js';
import { collect, idsOf, loadTiny, tinyTokenizer } from './support/models.js';

const PROMPT = [5, 17, 250, 3, 3, 99];
const SAMPLED: GenerateOptions = {
  temperature: 1.2,
  topK: 50,
  topP: 0.95,
  minP: 0.01,
  repetitionPenalty: 1.2,
  seed: 11,
  ignoreEos: true,
};

/** The reference backend as if it ran ahead of the host, as devices do. */
function ahead(lookahead: number): Backend {
  return { ...(reference() as Backend), lookahead };
}

let model: Mamba2;
beforeAll(async () => {
  model = await loadTiny('hf_mamba2_tiny', { tokenizer: await tinyTokenizer() });
});
afterAll(() => model.dispose());

describe.each([
  'hf_mamba2_tiny',
  'hf_mamba2_bias_untied',
  'hf_mamba2_bf16_sharded',
  'hf_mamba1_tiny',
  'orig_mamba2_mlp',
])('%s', (name) => {
  test('continues greedily as the truth does', async () => {
    const truth = Array.from(readGoldens(`models/${name}/golden.safetensors`)['greedy']!.values);
    const tiny = await loadTiny(name);
    const ids = await idsOf(tiny, truth.slice(0, 8), { temperature: 0, maxTokens: truth.length - 8, ignoreEos: true });
    tiny.dispose();
    expect(ids).toEqual(truth.slice(8));
  });
});

test('the same seed gives the same tokens, another seed others', async () => {
  const once = await idsOf(model, PROMPT, { ...SAMPLED, maxTokens: 20 });
  expect(await idsOf(model, PROMPT, { ...SAMPLED, maxTokens: 20 })).toEqual(once);
  expect(await idsOf(model, PROMPT, { ...SAMPLED, seed: 12, maxTokens: 20 })).not.toEqual(once);
  expect(once).toHaveLength(20);
});

test('two generations on one model interleave and give what each gives alone', async () => {
  const other = [9, 8, 7];
  const alone = [
    await idsOf(model, PROMPT, { ...SAMPLED, maxTokens: 12 }),
    await idsOf(model, other, { ...SAMPLED, maxTokens: 12 }),
  ];
  const streams = [
    model.generate(PROMPT, { ...SAMPLED, maxTokens: 12 }),
    model.generate(other, { ...SAMPLED, maxTokens: 12 }),
  ];
  const together: number[][] = [[], []];
  for (let step = 0; step < 12; step++) {
    for (const [i, stream] of streams.entries()) together[i]!.push((await stream.next()).value!.id!);
  }
  expect(together).toEqual(alone);
});

describe('a batch of prompts of different lengths', () => {
  const prompts = [PROMPT, [42], Array.from({ length: 75 }, (_, i) => (i * 37) % 300)];

  test.each([1, 4])('gives each what it gives alone, %i steps ahead', async (lookahead) => {
    const many = await loadTiny('hf_mamba2_tiny', { backend: ahead(lookahead), tokenizer: null });
    const pieces = await collect(many.generate(prompts, { ...SAMPLED, maxTokens: 9 }));
    for (const [i, prompt] of prompts.entries()) {
      const alone = await idsOf(many, prompt, { ...SAMPLED, sequence: i, maxTokens: 9 });
      expect(pieces.filter((p) => p.sequence === i).map((p) => p.id)).toEqual(alone);
    }
  });

  test('advances a state for each', async () => {
    const states = await Promise.all(prompts.map((prompt) => model.prefill(prompt)));
    const more = [[1, 2], [3], []];
    await collect(model.generate(more, { ...SAMPLED, state: states, maxTokens: 5 }));
    for (const [i, state] of states.entries()) {
      const alone = await model.prefill(prompts[i]!);
      await collect(model.generate(more[i]!, { ...SAMPLED, sequence: i, state: alone, maxTokens: 5 }));
      expect(await state.save()).toEqual(await alone.save());
    }
  });
});

describe('the end', () => {
  test('by length: the last piece says so', async () => {
    const pieces = await collect(model.generate(PROMPT, { ...SAMPLED, maxTokens: 3 }));
    expect(pieces.map((p) => p.stopped)).toEqual([undefined, undefined, 'length']);
  });

  test('by the end-of-sequence token, which is yielded without text', async () => {
    // What the model would choose first is declared the end.
    const [first] = await idsOf(model, PROMPT, { temperature: 0, maxTokens: 1, ignoreEos: true });
    const ending = await loadTiny('hf_mamba2_tiny');
    Object.defineProperty(ending, 'eosTokenIds', { value: [first] });
    const pieces = await collect(ending.generate(PROMPT, { temperature: 0 }));
    expect(pieces).toMatchObject([{ id: first, text: '', stopped: 'eos' }]);
  });

  test('by a stop string, which is not part of the text', async () => {
    const free = await collect(model.generate('the cat', { ...SAMPLED, maxTokens: 40 }));
    const text = free.map((p) => p.text).join('');
    const stop = text.slice(9, 12);
    const stopped = await collect(model.generate('the cat', { ...SAMPLED, maxTokens: 40, stop: [stop, 'never this'] }));
    expect(stopped.map((p) => p.text).join('')).toBe(text.slice(0, text.indexOf(stop)));
    expect(stopped.at(-1)!.stopped).toBe('stop');
    expect(stopped.map((p) => p.id)).toEqual(free.slice(0, stopped.length).map((p) => p.id));
  });

  test('by an abort, while generating and while reading the prompt', async () => {
    const control = new AbortController();
    const pieces = [];
    for await (const piece of model.generate(PROMPT, { ...SAMPLED, signal: control.signal })) {
      pieces.push(piece);
      if (pieces.length === 4) control.abort();
    }
    expect(pieces.map((p) => p.stopped)).toEqual([undefined, undefined, undefined, undefined, 'aborted']);

    const state = await model.prefill([1, 2, 3]);
    const before = await state.save();
    const long = Array.from({ length: 200 }, (_, i) => i);
    const during = new AbortController();
    const options = { state, signal: during.signal, onPrompt: () => during.abort() };
    expect(await collect(model.generate(long, options))).toEqual([{ sequence: 0, text: '', stopped: 'aborted' }]);
    expect(await state.save()).toEqual(before);
  });
});

describe.each([1, 2, 5])('the state after a generation, %i steps ahead', (lookahead) => {
  let own: Mamba2;
  beforeAll(async () => {
    own = await loadTiny('hf_mamba2_tiny', { backend: ahead(lookahead), tokenizer: await tinyTokenizer() });
  });

  test('is that of the tokens it yielded when the reader leaves early', async () => {
    const state = await own.prefill(PROMPT);
    const taken: number[] = [];
    for await (const { id } of own.generate([], { ...SAMPLED, state })) {
      taken.push(id!);
      if (taken.length === 7) break;
    }
    const again = await own.prefill([...PROMPT, ...taken]);
    const [a, b] = [await own.forward([1], { state }), await own.forward([1], { state: again })];
    expect(a.data).toEqual(b.data);
    expect(state.length).toBe(again.length);
  });

  test('is that of the tokens it yielded after a stop string', async () => {
    const text = (await collect(own.generate('the cat', { ...SAMPLED, maxTokens: 12 }))).map((p) => p.text).join('');
    const state = own.newState();
    const pieces = await collect(own.generate('the cat', { ...SAMPLED, state, stop: text.slice(4, 6) }));
    const again = await own.prefill([...own.encode('the cat'), ...pieces.map((p) => p.id!)]);
    expect((await own.forward([1], { state })).data).toEqual((await own.forward([1], { state: again })).data);
  });

  test('goes on as if it had not stopped', async () => {
    const whole = await idsOf(own, PROMPT, { ...SAMPLED, maxTokens: 14 });
    const state = own.newState();
    const first = await idsOf(own, PROMPT, { ...SAMPLED, state, maxTokens: 6 });
    const second = await idsOf(own, [], { ...SAMPLED, state, maxTokens: 8 });
    expect([...first, ...second]).toEqual(whole);
  });
});

test('log-probabilities are those of the model, alternatives the most likely', async () => {
  const bare = await loadTiny();
  const [piece] = await collect(bare.generate(PROMPT, { ...SAMPLED, maxTokens: 1, alternatives: 3 }));
  const { data } = await bare.forward(PROMPT);
  const row = data.subarray(data.length - 300);
  const total = Math.log(Array.from(row).reduce((sum, v) => sum + Math.exp(v), 0));
  // The same float64 sums in another order: 1e-12 is a few thousand roundings of numbers near 10.
  expect(piece!.logProb).toBeCloseTo(row[piece!.id!]! - total, 12);
  const best = Array.from(row, (v, id) => ({ id, logProb: v - total })).sort((a, b) => b.logProb - a.logProb);
  expect(piece!.alternatives!.map((a) => a.id)).toEqual(best.slice(0, 3).map((a) => a.id));
  expect(piece!.alternatives![2]!.logProb).toBeCloseTo(best[2]!.logProb, 12);
});

describe('bad input is refused before anything runs', () => {
  const cases: [string, () => unknown, string][] = [
    [
      'an empty text',
      () => model.generate(''),
      'the prompt is empty; given: no tokens; expected: at least one; to mend it: begin with a word, or with the end-of-text token',
    ],
    ['no prompt', () => model.generate([]), 'the prompt is empty; given: no tokens'],
    [
      'an id past the vocabulary',
      () => model.generate([1, 300]),
      'token id; given: 300; expected: a whole number ≥ 0 and ≤ 299',
    ],
    ['a fractional id', () => model.generate([1.5]), 'token id; given: 1.5; expected: a whole number ≥ 0 and ≤ 299'],
    [
      'NaN temperature',
      () => model.generate([1], { temperature: NaN }),
      'temperature; given: NaN; expected: a number ≥ 0 and ≤ 1000',
    ],
    ['topP of 0', () => model.generate([1], { topP: 0 }), 'topP; given: 0; expected: a number > 0 and ≤ 1'],
    [
      'maxTokens of 0',
      () => model.generate([1], { maxTokens: 0 }),
      'maxTokens; given: 0; expected: a whole number ≥ 1 and ≤ 4294967295',
    ],
    [
      'a negative seed',
      () => model.generate([1], { seed: -1 }),
      'seed; given: -1; expected: a whole number ≥ 0 and ≤ 9007199254740991',
    ],
    [
      'an empty stop string',
      () => model.generate([1], { stop: ['x', ''] }),
      'stop; given: an empty string; expected: texts',
    ],
    ['a typo', () => model.generate([1], { temprature: 1 } as GenerateOptions), 'generate has no option "temprature"'],
  ];
  test.each(cases)('%s', (_, call, message) => {
    expect(call).toThrowError(message);
  });

  test('text without a tokenizer', async () => {
    const bare = await loadTiny();
    expect(() => bare.generate('text')).toThrowError('this model has no tokenizer');
    bare.dispose();
  });

  test('lone surrogates are read as U+FFFD, as UTF-8 has it', async () => {
    expect(await idsOf(model, 'a\ud800b', { ...SAMPLED, maxTokens: 3 })).toEqual(
      await idsOf(model, 'a\ufffdb', { ...SAMPLED, maxTokens: 3 }),
    );
  });

  test('one state for two generations', async () => {
    const state = await model.prefill(PROMPT);
    const first = model.generate([], { state });
    await first.next();
    await expect(model.generate([], { state }).next()).rejects.toThrowError(
      'the state is in use by another generation',
    );
    expect(() => state.fork()).toThrowError('in use');
    await first.return();
    state.fork().dispose();
  });
});
