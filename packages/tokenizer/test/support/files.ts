import { readFileSync } from 'node:fs';
import type { TokenizerJson } from '../../src/index.js';

const goldens = new URL('../../../../fixtures/goldens/tokenizers/', import.meta.url);

/** The golden tokenizers, one of each family. */
export const families = ['bytelevel', 'sentencepiece_bpe'] as const;

/** A case of `NAME.golden.json`, made by Hugging Face's tokenizers library. */
export interface GoldenCase {
  text: string;
  ids: number[];
  ids_no_special: number[];
  tokens: string[];
  offsets: [number, number][];
  decoded: string;
  decoded_skip: string;
}

/** The `tokenizer.json` of a golden tokenizer, a fresh object each time. */
export function tokenizerFile(name: string): TokenizerJson & { model: TokenizerJson; added_tokens: TokenizerJson[] } {
  return JSON.parse(readFileSync(new URL(`${name}.json`, goldens), 'utf8'));
}

export function goldenCases(name: string): GoldenCase[] {
  return JSON.parse(readFileSync(new URL(`${name}.golden.json`, goldens), 'utf8'));
}

/** What the file says in the lines of `truth/truth.jsonl`, see `truth/make.py`. */
export interface TruthCase {
  text: string;
  ids: number[];
  tokens: string[];
  offsets: [number, number][];
  mask: (0 | 1)[];
  decoded: string;
  decoded_skip: string;
}

export interface Truth {
  name: string;
  file: TokenizerJson;
  cases: TruthCase[];
}

/** The configurations of `truth/truth.jsonl`, each with its `tokenizer.json`. */
export function truths(): Truth[] {
  const lines = readFileSync(new URL('../truth/truth.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .slice(1);
  return lines.map((line) => {
    const { name, base, patch, model, added, cases } = JSON.parse(line);
    const file = tokenizerFile(base);
    return {
      name,
      file: { ...file, ...patch, model: { ...file.model, ...model }, added_tokens: [...file.added_tokens, ...added] },
      cases,
    };
  });
}
