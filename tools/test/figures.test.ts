import { readFile } from 'node:fs/promises';

import { expect, test } from 'vitest';

import { figuresFolder, scanFigures } from '../figures/scans.ts';

test.each(Object.entries(scanFigures()))('%s.svg is drawn from what the code does now', async (name, svg) => {
  expect(await readFile(`${figuresFolder}${name}.svg`, 'utf8')).toBe(svg);
});
