/**
 * Trains the storyteller's tokenizer: byte-level BPE on the first 90% of each text.
 *
 *     npx tsx --conditions=@mamba2/source models/storyteller/train/tokenizer.ts CORPORA_DIR OUT.json --vocab N
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { trainBpe } from '@mamba2/tokenizer/train';

const TEXTS = ['fairy-tales.txt', 'tinyshakespeare.txt'];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { vocab: { type: 'string' } } });
  const [corpora, out] = positionals;
  if (!corpora || !out || !values.vocab) throw new Error('usage: tokenizer.ts CORPORA_DIR OUT.json --vocab N');
  const parts = await Promise.all(TEXTS.map((name) => trainingPart(join(corpora, name))));
  const json = await trainBpe(parts, { vocabSize: Number(values.vocab), specialTokens: ['<|endoftext|>'] });
  await writeFile(out, `${JSON.stringify(json, null, 1)}\n`);
}

/** The first 90% of a file's bytes; the rest is for validation and no part of the model sees it. */
async function trainingPart(path: string): Promise<string> {
  const bytes = await readFile(path);
  const part = bytes.subarray(0, Math.floor((bytes.length * 9) / 10));
  return new TextDecoder('utf-8', { fatal: true }).decode(part);
}

await main();
