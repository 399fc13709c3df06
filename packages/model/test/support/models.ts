import { fileURLToPath } from 'node:url';
import { trainBpe } from '@mamba2/tokenizer/train';
import { goldens } from '../../../../fixtures/read.ts';
import { type GenerateOptions, type LoadOptions, Mamba2, type Piece, type Prompt } from '../../src/index.js';

/** One of the tiny golden models: random weights, a vocabulary of 300, and no tokenizer of its own. */
export function loadTiny(name = 'hf_mamba2_tiny', options: LoadOptions = {}): Promise<Mamba2> {
  return Mamba2.load(fileURLToPath(new URL(`models/${name}/`, goldens)), { backend: 'reference', ...options });
}

/** A byte-level tokenizer that fits the tiny models, as the text of a `tokenizer.json`. */
export async function tinyTokenizer(): Promise<string> {
  const text = 'the cat and the hat sat on the mat, and then the rat sat on the cat and the hat. '.repeat(20);
  return JSON.stringify(await trainBpe([text], { vocabSize: 290, specialTokens: ['<|endoftext|>'] }));
}

/** Everything a generation yields. */
export async function collect(stream: AsyncIterable<Piece>): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

/** The ids that a generation from one prompt draws. */
export async function idsOf(model: Mamba2, prompt: Prompt, options: GenerateOptions): Promise<number[]> {
  return (await collect(model.generate(prompt, options))).flatMap(({ id }) => (id === undefined ? [] : [id]));
}
