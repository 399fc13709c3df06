/** Draws the figures of the guides anew: `npx tsx --conditions=@mamba2/source tools/figures/main.ts`. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dualityFigures, type MeasuredForms } from './duality.ts';

const root = new URL('../../', import.meta.url);
const measured = JSON.parse(readFileSync(new URL('bench/results/forms.json', root), 'utf8')) as MeasuredForms;
mkdirSync(new URL('docs/figures/', root), { recursive: true });
for (const [name, svg] of Object.entries(dualityFigures(measured))) {
  const file = new URL(`docs/figures/${name}`, root);
  writeFileSync(file, svg);
  console.log(fileURLToPath(file));
}
