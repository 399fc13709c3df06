/**
 * Encoding speed beside `@huggingface/tokenizers`, in one run on one text.
 *
 *     npx tsx --conditions=@mamba2/source packages/tokenizer/bench/encode.ts TOKENIZER.json TEXT.txt [--rounds 5]
 *
 * First checks that both give the same ids, then times them in turn, each with a tokenizer that has seen the text once before and, in
 * the row "new", one that has not. Reports medians; exits 1 if the ids differ.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Tokenizer as Peer } from '@huggingface/tokenizers';
import { Tokenizer } from '@mamba2/tokenizer';

type Encode = (text: string) => ArrayLike<number>;

const USAGE = 'usage: encode.ts TOKENIZER.json TEXT.txt [--rounds 5]';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '5' } },
  });
  const [tokenizerPath, textPath] = positionals;
  const rounds = Number(values.rounds);
  if (!tokenizerPath || !textPath || !(rounds >= 1)) throw new Error(USAGE);
  const json: object = JSON.parse(await readFile(tokenizerPath, 'utf8'));
  const text = await readFile(textPath, 'utf8');

  const makers: Record<string, () => Encode> = {
    '@mamba2/tokenizer': ours(json),
    '@huggingface/tokenizers': theirs(json),
  };
  const [a, b] = Object.values(makers).map((make) => make()(text));
  const difference = firstDifference(a as ArrayLike<number>, b as ArrayLike<number>);
  if (difference >= 0) {
    console.error(
      `the ids differ, first at token ${difference} of ${a?.length}: ${a?.[difference]} and ${b?.[difference]}`,
    );
    return 1;
  }
  const bytes = new TextEncoder().encode(text).length;
  console.log(
    `${bytes} bytes, ${a?.length} tokens, the same ids; median of ${rounds} rounds in turn, Node ${process.version}`,
  );
  report(measure(makers, text, rounds), bytes);
  return 0;
}

function ours(json: object): () => Encode {
  return () => {
    const tokenizer = Tokenizer.fromJSON(json);
    return (text) => tokenizer.encode(text).ids;
  };
}

function theirs(json: object): () => Encode {
  return () => {
    const tokenizer = new Peer(json, {});
    return (text) => tokenizer.encode(text).ids;
  };
}

/** Milliseconds of each maker's encoder, by row: new and warm. */
function measure(makers: Record<string, () => Encode>, text: string, rounds: number): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, make] of Object.entries(makers)) {
      const encode = make();
      for (const state of ['new', 'warm']) {
        const begin = performance.now();
        encode(text);
        const row = `${name}, ${state}`;
        times.set(row, [...(times.get(row) ?? []), performance.now() - begin]);
      }
    }
  }
  return times;
}

function report(times: ReadonlyMap<string, number[]>, bytes: number): void {
  const medians = new Map(Array.from(times, ([row, list]) => [row, median(list)]));
  for (const [row, ms] of medians) {
    const peer = medians.get(row.replace(/^[^,]*/, '@huggingface/tokenizers')) as number;
    const speed = bytes / 1e3 / ms;
    console.log(
      `${row.padEnd(30)} ${ms.toFixed(1).padStart(9)} ms ${speed.toFixed(2).padStart(8)} MB/s ${(peer / ms).toFixed(1).padStart(7)} ×`,
    );
  }
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[list.length >> 1] as number;
}

function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (a[i] !== b[i]) return i;
  return -1;
}

process.exitCode = await main();
