/**
 * Finds the three sentences and heads that the Duality page opens with: every head of the storyteller on every candidate sentence, measured by
 * `src/duality/measures.ts`; for each measure the best pair wins that no other measure has taken. Run from `apps/demo`:
 * `npx tsx --conditions=@mamba2/source scripts/find-heads.ts [--list]` writes `src/duality/examples.json`; `--list` prints the best five instead.
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';

import { factorsOf, headOf } from '../src/duality/head.ts';
import { type HeadMeasures, LEAST_REACH, measureHead } from '../src/duality/measures.ts';

/** Texts of the kinds the storyteller has read; short enough that single tokens can be read off the axes. */
const candidates = [
  'The king had a daughter. The queen had a son. The king had a castle. The queen had a garden.',
  'Once upon a time there was a little girl who lived in a little house in a little wood.',
  'The fox said to the wolf, and the wolf said to the fox, and the fox said to the bear.',
  'She went to the door. It was night. The snow fell. A bird sang. He was gone.',
  'ROMEO: Where is my lady?\nJULIET: Here I am.\nROMEO: Where is my lady?\nJULIET: Here.',
  'KING: Who comes here?\nFOOL: A fool, my lord.\nKING: Who comes here?\nFOOL: A king, my lord.',
  'The old woman said, “Come in.” The child went in. The door closed. Then all was still.',
  'There was a tailor who had three sons, and the three sons had three goats, and the goats had three names.',
  'He took the gold, and gave the gold to the king, and the king gave the gold to the queen.',
  'The sun shone. The wind blew. The leaves fell. The children ran home.',
  'I will go, said the duck. I will go, said the goose. I will go, said the swan.',
  'Up the hill went Hans, and down the hill came Hans, and at the foot of the hill sat Hans.',
  'What is that? It is a rose. What is that? It is a thorn. What is that? It is the wind.',
  'When the princess heard this she wept bitterly, for she had given her ring to the fisherman.',
  'To be or not to be, that is the question, and the question is to be or not to be.',
  'First came the cat. After the cat came the dog. After the dog came the horse. Last came the king.',
];

/** What the storyteller's heads have to show. Copying is measured, too: no head does it by more than a factor of three. */
const measures = ['focus', 'reset', 'words'] as const;
type Measure = (typeof measures)[number];

interface Found {
  readonly text: string;
  readonly layer: number;
  readonly head: number;
  readonly measures: HeadMeasures;
}

const { values: options } = parseArgs({ options: { list: { type: 'boolean' } } });
const model = await Mamba2.load(storyteller, { backend: 'reference' });
const { tokenizer } = model;
if (tokenizer === undefined) throw new Error('the storyteller has lost its tokenizer');

const all: Found[] = [];
for (const text of candidates) {
  const { ids } = tokenizer.encode(text);
  const tokens = ids.map((id) => tokenizer.decode([id]));
  for (const layer of await model.inspect(ids)) {
    for (let head = 0; head < layer.A.data.length; head++) {
      const { M, decays } = factorsOf(headOf(layer, head));
      all.push({ text, layer: layer.layer, head, measures: measureHead(M, decays, { ids, tokens }) });
    }
  }
}
model.dispose();

const best = (measure: Measure): Found[] =>
  all.filter((found) => found.measures.reach >= LEAST_REACH).sort((u, v) => v.measures[measure] - u.measures[measure]);

const rounded = (value: number) => Math.round(value * 100) / 100;
const chosen: (Found & { measure: Measure })[] = [];
for (const measure of measures) {
  const ranking = best(measure);
  if (options.list) {
    console.log(measure);
    for (const found of ranking.slice(0, 8)) {
      const numbers = Object.entries(found.measures).map(([name, value]) => `${name} ${rounded(value as number)}`);
      console.log(`  ${found.layer}.${found.head}  ${numbers.join('  ')}  ${JSON.stringify(found.text)}`);
    }
    continue;
  }
  const first = ranking.find(
    ({ text, layer, head }) => !chosen.some((c) => c.text === text || (c.layer === layer && c.head === head)),
  );
  if (first !== undefined) chosen.push({ measure, ...first });
}
if (!options.list) {
  const examples = chosen.map(({ measure, text, layer, head, measures: m }) => ({
    measure,
    text,
    layer,
    head,
    measures: Object.fromEntries(Object.entries(m).map(([name, value]) => [name, rounded(value as number)])),
  }));
  writeFileSync(
    new URL('../src/duality/examples.json', import.meta.url),
    `${JSON.stringify(examples, undefined, 2)}\n`,
  );
  console.log(examples);
}
