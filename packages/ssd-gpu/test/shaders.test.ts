import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { shadersModule, target } from '../scripts/shaders.js';
import { kernelsOf } from '../src/describe.js';
import { openGpu } from '../src/open.js';
import { tiles } from '../src/shaders.generated.js';
import { type Constants, deviceLacks, shaderText, splitFlags } from '../src/runtime/kernel.js';

it('the module of shader texts is up to date: run `pnpm shaders`', () => {
  expect(readFileSync(target, 'utf8')).toBe(shadersModule());
});

/** Values for every constant that some kernel is compiled for. */
const constants: Constants = {
  SLOTS: 2,
  ROWS: 4,
  BATCH: 2,
  Q: 64,
  WIDTH: 4,
  STEPS: 16,
  STATES: 16,
};

describe.each(inject('gpuDrivers'))('shaders on %s', (name) => {
  const opened = openGpu({ dawn: [`adapter=${name}`] });
  afterAll(async () => (await opened).close());

  it('compile without a word, in every variant, for every way weights are stored', async () => {
    const { gpu } = await opened;
    const said: string[] = [];
    let compiled = 0;
    for (const kernel of new Set(Object.values(kernelsOf).flat())) {
      for (const variant of kernel.variants) {
        for (const STORED of [0, 1, 2, 3]) {
          // The tiles' library derives the workgroup's size from TILE; the others are given theirs.
          const tiled = variant.libraries({ STORED }).includes(tiles);
          const all = { ...constants, ...(tiled ? { TILE: 64 } : { WG: 64 }), STORED, NORM: true };
          const fits = !variant.lacks?.(gpu.capabilities, all);
          if (!fits || deviceLacks(variant, gpu.capabilities)) continue;
          // A kernel's own flag may have the name of another one's constant.
          const { compiled: own } = splitFlags(kernel, all);
          const code = shaderText(kernel, variant, own);
          const module = gpu.device.createShaderModule({ label: kernel.name, code });
          const { messages } = await module.getCompilationInfo();
          said.push(...messages.map(({ message, lineNum }) => `${kernel.name} ${variant.name}:${lineNum}: ${message}`));
          compiled++;
        }
      }
    }
    expect(said).toEqual([]);
    expect(compiled).toBeGreaterThanOrEqual(4 * 20);
  });
});
