import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tokenizer, TokenizerError } from '../src/index.js';
import { families, tokenizerFile, truths } from './support/files.js';
import { texts } from './support/texts.js';

const tokenizers = [
  ...families.map((name) => ({ name: name as string, file: tokenizerFile(name) })),
  ...truths().filter(({ name }) => /Metaspace|many|decoder/.test(name)),
];

/** The whole text by a second route: every component applied to all tokens at once, as the format describes it. */
function decodeAtOnce(file: ReturnType<typeof tokenizerFile>, tokens: string[]): string {
  const decoder = file.decoder as { type: string; decoders?: Component[] } | null;
  if (!decoder) return tokens.join(' ');
  const steps = decoder.decoders ?? [decoder as Component];
  return steps
    .reduce((parts, step) => components[step.type]?.(parts, step) ?? expect.unreachable(step.type), tokens)
    .join('');
}

interface Component {
  type: string;
  pattern: { String: string };
  content: string;
  start: number;
  prepend_scheme: string;
}

const components: Record<string, (tokens: string[], step: Component) => string[]> = {
  Replace: (tokens, { pattern, content }) => tokens.map((token) => token.replaceAll(pattern.String, content)),
  Fuse: (tokens) => [tokens.join('')],
  Strip: (tokens, { content, start }) =>
    tokens.map((token) => token.replace(new RegExp(`^${content}{0,${start}}`), '')),
  Metaspace: (tokens, { prepend_scheme }) =>
    tokens.map((token, i) => token.replaceAll('▁', i === 0 && prepend_scheme !== 'never' ? '' : ' ')),
  ByteFallback: (tokens) =>
    // Runs of byte tokens, marked off by characters that no token holds.
    tokens
      .join('\u{f0000}')
      .replace(/(?<=^|\u{f0000})<0x..>(?:\u{f0000}<0x..>)*(?=$|\u{f0000})/gu, (run) => {
        const bytes = run.split('\u{f0000}').map((token) => parseInt(token.slice(3, 5), 16));
        const text = Buffer.from(bytes).toString('utf8');
        return Buffer.from(text).equals(Buffer.from(bytes)) ? text : '\ufffd'.repeat(bytes.length);
      })
      .split('\u{f0000}'),
  ByteLevel: (tokens) => {
    const printable = (byte: number): boolean => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !printable(byte));
    const bytes = Array.from(tokens.join(''), (char) => {
      const code = char.codePointAt(0) as number;
      return code < 256 ? code : (others[code - 256] as number);
    });
    return [Buffer.from(bytes).toString('utf8')];
  },
};

describe.each(tokenizers)('streaming with $name', ({ file }) => {
  const tokenizer = Tokenizer.fromJSON(file);
  const added = new Set(
    (file.added_tokens as { content: string; normalized: boolean }[]).filter((t) => t.normalized).map((t) => t.content),
  );
  const known = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
    (id) => !added.has(tokenizer.token(id)),
  );
  const idLists = fc.array(fc.constantFrom(...known), { maxLength: 40 });

  it('gives in pieces what decoding all tokens at once gives', () => {
    const stream = tokenizer.stream();
    const skipping = tokenizer.stream({ skipSpecialTokens: true });
    fc.assert(
      fc.property(idLists, (ids) => {
        const pieces = [...ids.map((id) => stream.push(id)), stream.flush()];
        for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u);
        const tokens = ids.map((id) => tokenizer.token(id));
        expect(pieces.join('')).toBe(decodeAtOnce(file as ReturnType<typeof tokenizerFile>, tokens));
        expect(tokenizer.decode(ids)).toBe(pieces.join(''));
        const plain = ids.filter((id) => !tokenizer.isSpecial(id));
        expect(ids.map((id) => skipping.push(id)).join('') + skipping.flush()).toBe(tokenizer.decode(plain));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses bad ids and goes on as if they had not come', () => {
    const stream = tokenizer.stream();
    const { ids } = tokenizer.encode('é 状态');
    let text = '';
    for (const id of ids) {
      for (const bad of [-1, 0.5, NaN, Infinity, tokenizer.vocabSize, 2 ** 40]) {
        expect(() => stream.push(bad)).toThrow(TokenizerError);
      }
      text += stream.push(id);
    }
    expect(text + stream.flush()).toBe(tokenizer.decode(ids));
  });
});

describe('streaming', () => {
  const tokenizer = Tokenizer.fromJSON(tokenizerFile('bytelevel'));

  it('gives text as soon as it is certain', () => {
    const stream = tokenizer.stream();
    const { ids } = tokenizer.encode('a状b');
    expect(ids).toHaveLength(5);
    expect(ids.map((id) => stream.push(id))).toEqual(['a', '', '', '状', 'b']);
    stream.push(ids[1] as number);
    expect(stream.flush()).toBe('\ufffd');
    expect(stream.push(ids[0] as number)).toBe('a');
  });

  it('is the inverse of encoding for byte-level tokenizers', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps a byte-order mark, which is text here', () => {
    for (const name of families) {
      const tokenizer = Tokenizer.fromJSON(tokenizerFile(name));
      const { ids } = tokenizer.encode('\ufeffa\ufeff', { addSpecialTokens: false });
      // The SentencePiece-style file marks its byte tokens as special, so they must stay here.
      expect(tokenizer.decode(ids)).toBe('\ufeffa\ufeff');
    }
  });
});
