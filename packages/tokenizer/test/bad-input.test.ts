import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tokenizer, TokenizerError, UnsupportedTokenizerError } from '../src/index.js';
import { families, tokenizerFile, truths } from './support/files.js';
import { anyStrings } from './support/texts.js';

type Json = { [key: string]: unknown };

/** A small tokenizer that uses every part of the file that one of its family can. */
function smallFile(change: Json = {}): Json {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [added(4, '<s>', { special: true })],
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [4], tokens: ['<s>'] } },
    },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: { type: 'BPE', unk_token: '<unk>', vocab: { '<unk>': 0, a: 1, '▁': 2, '▁a': 3 }, merges: [['▁', 'a']] },
    ...change,
  };
}

function added(id: unknown, content: unknown, flags: Json = {}): Json {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false, ...flags };
}

function errorOf(file: unknown): TokenizerError {
  try {
    Tokenizer.fromJSON(file as object);
  } catch (error) {
    if (error instanceof TokenizerError) return error;
    throw error;
  }
  return expect.unreachable('it was read');
}

const model = (change: Json): Json => smallFile({ model: { ...(smallFile().model as Json), ...change } });

describe('what is not supported', () => {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  const split = (pattern: unknown): Json => ({ type: 'Split', pattern, behavior: 'Isolated', invert: false });

  it.each<[string, Json]>([
    ['truncation {"max_length":5}', smallFile({ truncation: { max_length: 5 } })],
    ['padding {}', smallFile({ padding: {} })],
    ['version "2.0"', smallFile({ version: '2.0' })],
    ['extra 1', smallFile({ extra: 1 })],
    ['normalizer.type "Precompiled"', smallFile({ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAA=' } })],
    [
      'normalizer.normalizers[1].type "Lowercase"',
      smallFile({ normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] } }),
    ],
    ['pre_tokenizer.type "Whitespace"', smallFile({ pre_tokenizer: { type: 'Whitespace' } })],
    [
      'pre_tokenizer.pretokenizers[0].type "ByteLevel"',
      smallFile({ pre_tokenizer: { type: 'Sequence', pretokenizers: [byteLevel, split({ String: 'a' })] } }),
    ],
    ['pre_tokenizer.invert true', smallFile({ pre_tokenizer: { ...split({ String: 'a' }), invert: true } })],
    ['pre_tokenizer.pattern.Regex "(?<a>b)"', smallFile({ pre_tokenizer: split({ Regex: '(?<a>b)' }) })],
    ['pre_tokenizer.pattern.Regex "a++"', smallFile({ pre_tokenizer: split({ Regex: 'a++' }) })],
    ['pre_tokenizer.pattern.Regex "(?:a+)+b"', smallFile({ pre_tokenizer: split({ Regex: '(?:a+)+b' }) })],
    ['pre_tokenizer.pattern.Regex "[a&&b]"', smallFile({ pre_tokenizer: split({ Regex: '[a&&b]' }) })],
    ['pre_tokenizer.pattern.Regex "\\\\w+"', smallFile({ pre_tokenizer: split({ Regex: '\\w+' }) })],
    ['pre_tokenizer.pattern.Regex "^a"', smallFile({ pre_tokenizer: split({ Regex: '^a' }) })],
    ['pre_tokenizer.pattern.Regex "(?i:st)"', smallFile({ pre_tokenizer: split({ Regex: '(?i:st)' }) })],
    ['post_processor.type "RobertaProcessing"', smallFile({ post_processor: { type: 'RobertaProcessing' } })],
    [
      'post_processor.single[0].Sequence {"id":"B","type_id":0}',
      smallFile({ post_processor: { type: 'TemplateProcessing', single: [{ Sequence: { id: 'B', type_id: 0 } }] } }),
    ],
    ['decoder.type "WordPiece"', smallFile({ decoder: { type: 'WordPiece' } })],
    [
      'decoder.decoders[1].type "ByteFallback"',
      smallFile({ decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteFallback' }] } }),
    ],
    ['model.type "Unigram"', model({ type: 'Unigram' })],
    ['model.dropout 0.1', model({ dropout: 0.1 })],
    ['model.continuing_subword_prefix "##"', model({ continuing_subword_prefix: '##' })],
    ['model.end_of_word_suffix "</w>"', model({ end_of_word_suffix: '</w>' })],
    ['model.cache 5', model({ cache: 5 })],
  ])('is refused by name: %s', (component, file) => {
    const error = errorOf(file);
    expect(error).toBeInstanceOf(UnsupportedTokenizerError);
    expect((error as UnsupportedTokenizerError).component).toBe(component);
    expect(error.message).toContain(component);
  });
});

describe('malformed files', () => {
  it('are read when they are not', () => {
    expect(Tokenizer.fromJSON(smallFile()).encode('a <s>aé').tokens).toEqual(['<s>', '▁a', '▁', '<s>', '▁a', '<unk>']);
  });

  it.each<[unknown, string]>([
    ['{', 'tokenizer.json is not JSON'],
    ['[]', 'tokenizer.json: the file must be an object, not []'],
    [null, 'tokenizer.json: the file must be an object, not null'],
    [{}, 'tokenizer.json: model must be an object, not undefined'],
    [smallFile({ added_tokens: {} }), 'tokenizer.json: added_tokens must be an array, not {}'],
    [
      smallFile({ added_tokens: [added(4, '<s>'), { id: 5, content: 'x' }] }),
      'tokenizer.json: added_tokens[1].normalized must be a boolean, not undefined',
    ],
    [
      smallFile({ added_tokens: [added(3, '<s>')] }),
      'tokenizer.json: added_tokens[0] gives "<s>" the id 3, which is that of "▁a"',
    ],
    [
      smallFile({ added_tokens: [added(4, 'a')] }),
      'tokenizer.json: added_tokens[0] gives "a" the id 4, but it has the id 1 already',
    ],
    [
      smallFile({ added_tokens: [added(2 ** 40, '<s>')] }),
      'tokenizer.json: added_tokens[0].id must be an integer from 0 to 16777215, not 1099511627776',
    ],
    [
      smallFile({ added_tokens: [added(4, '\ud800')] }),
      'tokenizer.json: added_tokens[0].content must be well-formed text of at least one character, not "\\ud800"',
    ],
    [model({ vocab: { a: -1 } }), 'tokenizer.json: model.vocab."a" must be an integer from 0 to 16777215, not -1'],
    [model({ vocab: { a: 1, b: 1 } }), 'tokenizer.json: model.vocab gives "a" and "b" the id 1'],
    [
      model({ merges: ['a b c'] }),
      'tokenizer.json: model.merges[0] must be "left right" or ["left", "right"], not "a b c"',
    ],
    [model({ merges: [['a', 'b']] }), 'tokenizer.json: model.merges[0] needs "b", which is not in model.vocab'],
    [model({ merges: [['a', 'a']] }), 'tokenizer.json: model.merges[0] needs "aa", which is not in model.vocab'],
    [model({ unk_token: '?' }), 'tokenizer.json: model.unk_token "?" is not in the vocabulary'],
    [
      model({ byte_fallback: true, vocab: { '<unk>': 0, '<0x00>': 1, a: 2, '▁': 3, '▁a': 5 } }),
      'tokenizer.json: model.byte_fallback needs all 256 byte tokens, and <0x01> is missing',
    ],
  ])('say where: %#', (file, message) => {
    expect(errorOf(file).message).toBe(message);
  });

  it('may lack an unknown token, which is an error once it is needed', () => {
    const tokenizer = Tokenizer.fromJSON(model({ unk_token: null }));
    expect(tokenizer.encode('a').ids).toEqual([4, 3]);
    expect(() => tokenizer.encode('aé')).toThrow(
      new TokenizerError('the vocabulary has no token for "é", and the model has no unk_token for such characters'),
    );
  });
});

describe('mutated files', () => {
  const files = [
    ...families.map((name) => tokenizerFile(name) as Json),
    ...truths().map(({ file }) => file as Json),
    smallFile(),
  ].map((file) => JSON.stringify(shortened(file)));

  /** Any JSON value, with a taste for those that mean something in such files. */
  const values = fc.oneof(
    fc.constantFrom(
      null,
      true,
      false,
      '',
      ' ',
      '▁',
      'a',
      'Sequence',
      'ByteLevel',
      'Fuse',
      'BPE',
      -1,
      0,
      1,
      3,
      2 ** 31,
      2 ** 53,
      1e308,
    ),
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom({ String: '' }, { Regex: '(' }, { Regex: '.*' }, [], {}, '\ud800', 'x'.repeat(10_000)),
  );

  it('are read before they are mutated', () => {
    for (const file of files) expect(Tokenizer.fromJSON(file).encode('x').ids).not.toEqual([]);
  });

  it('are read or refused with a typed error, and then encode and decode or refuse likewise', () => {
    let read = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.array(fc.nat(1000), { minLength: 1, maxLength: 6 }), values), {
          minLength: 1,
          maxLength: 2,
        }),
        anyStrings,
        fc.array(fc.nat(1300), { maxLength: 5 }),
        (json, mutations, text, ids) => {
          const file: unknown = JSON.parse(json);
          for (const [path, value] of mutations) mutate(file, path, structuredClone(value));
          try {
            const tokenizer = Tokenizer.fromJSON(file as object);
            read++;
            const encoding = tokenizer.encode(text);
            expect(encoding.tokens).toHaveLength(encoding.ids.length);
            expect(encoding.offsets).toHaveLength(encoding.ids.length);
            tokenizer.decode(encoding.ids);
            tokenizer.decode(ids);
          } catch (error) {
            if (!(error instanceof TokenizerError)) throw error;
          }
        },
      ),
      { numRuns: 3000 },
    );
    // Both outcomes must be common, or little was tested.
    expect(read).toBeGreaterThan(300);
    expect(read).toBeLessThan(2700);
  });

  it('of truncated text are refused', () => {
    const json = JSON.stringify(smallFile());
    for (let length = 0; length < json.length; length++) {
      expect(() => Tokenizer.fromJSON(json.slice(0, length))).toThrow(TokenizerError);
    }
  });

  /** The file with fewer merges and tokens: most of a mutation's chances should fall on the rest. */
  function shortened(file: Json): Json {
    const { vocab, merges, ...rest } = file.model as { vocab: Record<string, number>; merges: [string, string][] };
    const few = merges.slice(0, 3);
    const kept = new Set([
      ...Object.keys(vocab).filter((token) => [...token].length < 2 || token.startsWith('<')),
      ...few.map((pair) => pair.join('')),
    ]);
    const entries = Object.entries(vocab).filter(([token]) => kept.has(token));
    const addedTokens = (file.added_tokens as { content: string; id: number }[]).filter(
      ({ content, id }) => (vocab[content] ?? id) === id,
    );
    return {
      ...file,
      added_tokens: addedTokens.slice(-9),
      model: { ...rest, vocab: Object.fromEntries(entries), merges: few },
    };
  }

  /** Deletes, replaces or slightly changes what a path of numbers leads to. */
  function mutate(file: unknown, path: readonly number[], value: unknown): void {
    let at = file as Json;
    for (const [i, step] of path.entries()) {
      const keys = Object.keys(at);
      if (keys.length === 0) return;
      const key = keys[step % keys.length] as string;
      const child = at[key];
      const isParent = typeof child === 'object' && child !== null && Object.keys(child).length > 0;
      if (i < path.length - 1 && isParent) at = child as Json;
      else if (step % 8 === 0) delete at[key];
      else at[key] = step % 8 < 3 ? value : tweaked(child);
    }
  }

  /** Another value of the same type. */
  function tweaked(value: unknown): unknown {
    if (typeof value === 'boolean') return !value;
    if (typeof value === 'number') return value + 1;
    if (typeof value === 'string') return value.length > 1 ? value.slice(1) : `${value}x`;
    return Array.isArray(value) ? value.slice(1) : value;
  }
});

describe('text that is none', () => {
  it.each(families)('counts lone surrogates as U+FFFD (%s)', (name) => {
    const tokenizer = Tokenizer.fromJSON(tokenizerFile(name));
    fc.assert(
      fc.property(anyStrings, (text) => {
        const encoding = tokenizer.encode(text);
        // A TextEncoder does the same to lone surrogates.
        const same = tokenizer.encode(
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text)),
        );
        expect(encoding.ids).toEqual(same.ids);
        expect(encoding.offsets).toEqual(same.offsets);
        if (name === 'bytelevel')
          expect(tokenizer.decode(encoding.ids)).toBe(text.replace(/\p{Surrogate}/gu, '\ufffd'));
      }),
      { numRuns: 500 },
    );
  });

  it('is refused if it is not a string, or sorts for ever', () => {
    const tokenizer = Tokenizer.fromJSON(smallFile({ normalizer: { type: 'NFC' } }));
    for (const text of [undefined, null, 5, ['a']]) {
      expect(() => tokenizer.encode(text as unknown as string)).toThrow(TokenizerError);
    }
    expect(() => tokenizer.encode(`a${'\u0301\u0316'.repeat(500_000)}`)).toThrow('combining marks in a row');
  });

  it('may hold long runs of one thing', () => {
    const file = smallFile({
      added_tokens: [added(4, '<s>'), added(5, '  ', { lstrip: true, rstrip: true }), added(6, 'b', { lstrip: true })],
    });
    const tokenizer = Tokenizer.fromJSON(file);
    for (const scrap of ['a', ' ', 'é', '状', '👩', '<s>', ' <s>']) {
      const text = scrap.repeat(50_000);
      const { ids, offsets } = tokenizer.encode(text);
      expect(offsets).toHaveLength(ids.length);
    }
  });
});

describe('options', () => {
  it('are refused when unknown', () => {
    const tokenizer = Tokenizer.fromJSON(smallFile());
    expect(() => tokenizer.encode('a', { addSpecial: false } as object)).toThrow(
      new TokenizerError('encode: unknown option "addSpecial"; known: addSpecialTokens'),
    );
    expect(() => tokenizer.decode([1], { skipSpecial: true } as object)).toThrow(
      new TokenizerError('decode: unknown option "skipSpecial"; known: skipSpecialTokens'),
    );
  });

  it('ids are refused when they are none', () => {
    const tokenizer = Tokenizer.fromJSON(smallFile());
    expect(() => tokenizer.decode([1, 5])).toThrow(
      new TokenizerError('there is no token 5: ids are integers from 0 to 4'),
    );
    for (const id of [-1, 1.5, NaN, '1' as unknown as number, null as unknown as number]) {
      expect(() => tokenizer.decode([id])).toThrow(TokenizerError);
      expect(() => tokenizer.tokenBytes(id)).toThrow(TokenizerError);
    }
  });
});
