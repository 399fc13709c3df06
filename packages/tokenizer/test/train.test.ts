import { Tokenizer as Peer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tokenizer, TokenizerError, type TokenizerJson } from '../src/index.js';
import { trainBpe, type TrainProgress } from '../src/train/index.js';
import { goldenCases, tokenizerFile } from './support/files.js';
import { texts } from './support/texts.js';

/** A page to learn from: words of Shakespeare's, which a golden vocabulary has, drawn by a linear congruential generator. */
const page = (() => {
  const { vocab } = tokenizerFile('sentencepiece_bpe').model as { vocab: Record<string, number> };
  const words = Object.keys(vocab).filter((token) => /^[a-zA-Z]{2,}▁$/.test(token));
  let seed = 1;
  const draw = (): string => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return (words[seed % words.length] as string).replace('▁', seed % 11 === 0 ? '.\n' : ' ');
  };
  return Array.from({ length: 3000 }, draw).join('');
})();

interface Model {
  vocab: Record<string, number>;
  merges: string[];
}

const modelOf = (file: TokenizerJson): Model => file.model as Model;

/** The definition, slowly: count all pairs anew before each merge. For ASCII text, split into words beforehand. */
function trainSlowly(words: readonly string[], merges: number): string[] {
  const alphabet = Object.keys(modelOf(trained.empty).vocab);
  const id = new Map(alphabet.map((token, i) => [token, i]));
  const split = words.map((word) => [...word.replaceAll(' ', 'Ġ').replaceAll('\n', 'Ċ')]);
  const learnt: string[] = [];
  while (learnt.length < merges) {
    const counts = new Map<string, number>();
    for (const word of split) {
      for (let i = 1; i < word.length; i++)
        counts.set(`${word[i - 1]} ${word[i]}`, (counts.get(`${word[i - 1]} ${word[i]}`) ?? 0) + 1);
    }
    const rank = (pair: string): number[] => pair.split(' ').map((token) => id.get(token) as number);
    const [best] = [...counts].sort(([p, m], [q, n]) => {
      const [a, b] = [rank(p), rank(q)] as [[number, number], [number, number]];
      return n - m || a[0] - b[0] || a[1] - b[1];
    });
    if (!best || best[1] < 2) break;
    const [left, right] = best[0].split(' ') as [string, string];
    learnt.push(best[0]);
    if (!id.has(left + right)) id.set(left + right, id.size);
    for (const word of split) {
      for (let i = 0; i + 1 < word.length; i++)
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, left + right);
    }
  }
  return learnt;
}

const trained = {
  empty: await trainBpe([], { vocabSize: 256 }),
  page: await trainBpe([page], { vocabSize: 500, specialTokens: ['<|endoftext|>', '<|pad|>'] }),
};

describe('trainBpe', () => {
  it('learns what the definition says, ties included', async () => {
    const letters = fc.stringMatching(/^[a-d]{1,9}$/);
    await fc.assert(
      fc.asyncProperty(fc.array(letters, { minLength: 1, maxLength: 30 }), fc.nat(40), async (words, merges) => {
        const file = await trainBpe([words.join(' ')], { vocabSize: 256 + merges });
        const spaced = words.map((word, i) => (i === 0 ? word : ` ${word}`));
        expect(modelOf(file).merges).toEqual(trainSlowly(spaced, merges));
      }),
      { numRuns: 60 },
    );
  });

  it('writes a file that it reads back: special tokens first, then bytes, then merges', () => {
    const { vocab, merges } = modelOf(trained.page);
    const tokens = Object.entries(vocab).sort(([, a], [, b]) => a - b);
    expect(tokens.map(([, id]) => id)).toEqual(Array.from({ length: 500 }, (_, id) => id));
    expect(tokens.slice(0, 2).map(([token]) => token)).toEqual(['<|endoftext|>', '<|pad|>']);
    expect(tokens.slice(258).map(([token]) => token)).toEqual(merges.map((merge) => merge.replace(' ', '')));
    const tokenizer = Tokenizer.fromJSON(JSON.stringify(trained.page));
    const { ids, offsets } = tokenizer.encode(`${page}<|endoftext|>`);
    expect(ids.length).toBeLessThan(page.length / 2.5);
    expect(ids.at(-1)).toBe(0);
    expect(offsets.at(-1)).toEqual([[...page].length, [...page].length + 13]);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(page);
  });

  it('writes a file that @huggingface/tokenizers reads alike', () => {
    const ours = Tokenizer.fromJSON(trained.page);
    const theirs = new Peer(trained.page, {});
    for (const text of [page, ...goldenCases('bytelevel').map(({ text }) => text)]) {
      expect(ours.encode(text).ids).toEqual(theirs.encode(text).ids);
      if (text !== '')
        expect(theirs.decode(ours.encode(text).ids, { clean_up_tokenization_spaces: false })).toBe(
          ours.decode(ours.encode(text).ids),
        );
    }
  });

  it('encodes and decodes any text', () => {
    const tokenizer = Tokenizer.fromJSON(trained.page);
    fc.assert(
      fc.property(texts, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('depends on the texts alone, however they come', async () => {
    const options = { vocabSize: 400 };
    const whole = await trainBpe([page, 'more '.repeat(50)], options);
    async function* slowly(): AsyncGenerator<string> {
      yield page;
      yield 'more '.repeat(50);
    }
    expect(await trainBpe(slowly(), options)).toEqual(whole);
  });

  it('stops when pairs are too rare, and never merges into a special token', async () => {
    const text = 'abab '.repeat(9);
    const rare = await trainBpe([text], { vocabSize: 1000, minFrequency: 10 });
    // `ab` occurs 18 times; ` ab`, `abab` and ` abab` at most 9.
    expect(modelOf(rare).merges).toEqual(['a b']);
    const special = await trainBpe([text], { vocabSize: 1000, specialTokens: ['abab'] });
    const tokenizer = Tokenizer.fromJSON(special);
    expect(modelOf(special).merges).toContain('a b');
    expect(modelOf(special).merges).not.toContain('ab ab');
    expect(tokenizer.encode('xababy').ids).toContain(0);
  });

  it('reports progress', async () => {
    const reports: TrainProgress[] = [];
    await trainBpe([page], { vocabSize: 300, onProgress: (progress) => reports.push(progress) });
    expect(reports[0]).toEqual({ stage: 'read', done: 0 });
    expect(reports.at(-1)).toEqual({ stage: 'merge', done: 44, total: 44 });
  });

  it('ends with the reason of the signal: before, while reading, while merging', async () => {
    const reason = new Error('enough');
    const before = trainBpe([page], { vocabSize: 300, signal: AbortSignal.abort(reason) });
    await expect(before).rejects.toBe(reason);
    for (const stage of ['read', 'merge']) {
      const controller = new AbortController();
      const stopped = trainBpe([page], {
        vocabSize: 300,
        signal: controller.signal,
        onProgress: (progress) => progress.stage === stage && controller.abort(reason),
      });
      await expect(stopped).rejects.toBe(reason);
    }
  });

  it('leaves time to others while it reads an endless text, which they can end', async () => {
    const controller = new AbortController();
    function* endless(): Generator<string> {
      for (;;) yield page;
    }
    const training = trainBpe(endless(), { vocabSize: 300, signal: controller.signal });
    setTimeout(() => controller.abort(), 1);
    await expect(training).rejects.toThrow(/abort/i);
  });

  it.each([
    [{ vocabSize: 255 }, 'vocabSize 255'],
    [{ vocabSize: 257, specialTokens: ['<a>', '<b>'] }, 'from 258'],
    [{ vocabSize: NaN }, 'vocabSize NaN'],
    [{ vocabSize: 300.5 }, 'vocabSize 300.5'],
    [{ vocabSize: 2 ** 30 }, 'vocabSize 1073741824'],
    [{ vocabSize: 300, minFrequency: 0 }, 'minFrequency 0'],
    [{ vocabSize: 300, specialTokens: ['<a>', '<a>'] }, 'special token "<a>"'],
    [{ vocabSize: 300, specialTokens: ['a'] }, 'special token "a"'],
    [{ vocabSize: 300, specialTokens: ['\ud800x'] }, 'special token'],
    [{ vocabSize: 300, minFrequenzy: 3 }, 'unknown option "minFrequenzy"'],
  ])('refuses %j', async (options, message) => {
    await expect(trainBpe([page], options)).rejects.toThrow(TokenizerError);
    await expect(trainBpe([page], options)).rejects.toThrow(message);
  });

  it('refuses texts that are none', async () => {
    const texts = [page, 7] as unknown as string[];
    await expect(trainBpe(texts, { vocabSize: 300 })).rejects.toThrow('text 1 is number, not a string');
  });
});
