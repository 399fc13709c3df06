import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dualityFigures, type MeasuredForms } from '../figures/duality.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

test('the figures of the duality guide are what the package computes today', () => {
  const figures = dualityFigures(JSON.parse(read('bench/results/forms.json')) as MeasuredForms);
  const guide = read('docs/duality.md');
  for (const [name, svg] of Object.entries(figures)) {
    // Drawn anew by tools/figures/main.ts. Numbers have two decimals, far coarser than a rounding error.
    expect(svg === read(`docs/figures/${name}`), `docs/figures/${name} is out of date`).toBe(true);
    expect(guide).toContain(`(figures/${name})`);
  }
});
