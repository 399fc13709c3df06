import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Tokenizer } from '@mamba2/tokenizer';
import type { CaseResult, Manifest, Quantity } from './manifest.js';

/** What a golden file says of one text. */
interface GoldenText {
  text: string;
  ids: number[];
  ids_no_special: number[];
  tokens: string[];
  offsets: [number, number][];
  decoded: string;
  decoded_skip: string;
}

/** A tokenizer case: every text's encodings and decodings, and the streaming decoder, must be identical. */
export async function checkTokenizer(folder: string, entry: Manifest['tokenizers'][number]): Promise<CaseResult> {
  const tokenizer = Tokenizer.fromJSON(await readFile(join(folder, entry.tokenizer), 'utf8'));
  const golden = JSON.parse(await readFile(join(folder, entry.golden), 'utf8')) as GoldenText[];
  const computed = golden.map(({ text, ids }) => describeText(tokenizer, text, ids));
  const fields = ['ids', 'ids_no_special', 'tokens', 'offsets', 'decoded', 'decoded_skip'] as const;
  const quantities = fields.map((field): Quantity => {
    const wrong = golden.findIndex((want, i) => !isDeepStrictEqual(computed[i]![field], want[field]));
    if (wrong < 0) return { name: field, ok: true, note: `${golden.length} texts identical` };
    const [got, want] = [computed[wrong]![field], golden[wrong]![field]].map((v) => JSON.stringify(v).slice(0, 120));
    return { name: field, ok: false, note: `text ${wrong}: ${got}, the truth: ${want}` };
  });
  const streamed = golden.findIndex(({ ids, decoded }) => stream(tokenizer, ids) !== decoded);
  quantities.push({
    name: 'streamed',
    ok: streamed < 0,
    note: streamed < 0 ? `${golden.length} texts identical` : `text ${streamed} differs from its decoding`,
  });
  return { quantities, skipped: 0, computed: { json: computed } };
}

/** Everything a golden file says, computed. Decodings are those of the golden ids. */
function describeText(tokenizer: Tokenizer, text: string, goldenIds: number[]): GoldenText {
  const { ids, tokens, offsets } = tokenizer.encode(text, { addSpecialTokens: true });
  return {
    text,
    ids: Array.from(ids),
    ids_no_special: Array.from(tokenizer.encode(text, { addSpecialTokens: false }).ids),
    tokens: [...tokens],
    offsets: offsets.map(([start, end]) => [start, end]),
    decoded: tokenizer.decode(goldenIds, { skipSpecialTokens: false }),
    decoded_skip: tokenizer.decode(goldenIds, { skipSpecialTokens: true }),
  };
}

function stream(tokenizer: Tokenizer, ids: number[]): string {
  const decoder = tokenizer.stream({ skipSpecialTokens: false });
  return ids.map((id) => decoder.push(id)).join('') + decoder.flush();
}
