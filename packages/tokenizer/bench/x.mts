import { Tokenizer as HF } from '@huggingface/tokenizers';
import { readFileSync } from 'node:fs';
const text = readFileSync('/work/shared/corpora/fairy-tales.txt', 'utf8');
for (const n of process.argv.slice(2)) {
  const j = JSON.parse(readFileSync('/work/shared/goldens/tokenizers/' + n + '.json', 'utf8'));
  const t0 = performance.now();
  const t = new HF(j, {});
  console.log('load', performance.now() - t0);
  for (const size of [20000, 200000, 2723703]) {
    const t0 = performance.now();
    const r = t.encode(text.slice(0, size));
    console.log(n, size, performance.now() - t0, r.ids.length);
    if (performance.now() - t0 > 20000) break;
  }
}
