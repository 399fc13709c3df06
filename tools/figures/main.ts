/** Draws the figures of all guides anew: `npx tsx --conditions=@mamba2/source tools/figures/main.ts`. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dualityFigures, type MeasuredForms } from './duality.ts';
import { figure10, type MeasuredOperations } from './figure10.ts';
import { figuresFolder, scanFigures } from './scans.ts';

const measurements = new URL('../../bench/results/forms.json', import.meta.url);
const measured = JSON.parse(readFileSync(measurements, 'utf8')) as MeasuredForms;
const operations = new URL('../../bench/results/h200/6-figure10-special.json', import.meta.url);
const gpu = figure10(JSON.parse(readFileSync(operations, 'utf8')) as MeasuredOperations);
const scans = Object.entries(scanFigures()).map(([name, svg]) => [`${name}.svg`, svg] as const);
mkdirSync(figuresFolder, { recursive: true });
for (const [name, svg] of [...Object.entries(dualityFigures(measured)), ...scans, ['gpu-figure10.svg', gpu] as const]) {
  writeFileSync(figuresFolder + name, svg);
  console.log(name);
}
