import { DeviceError } from '@mamba2/core';
import { expect, inject, it } from 'vitest';
import { backendSuite } from '../../../core/test/support/backend-suite.js';
import { parseGoldens } from '../../../../fixtures/parse.ts';
import { webgpu } from '../../src/index.js';
import { traits } from '../support/traits.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the golden values are served. */
    goldens: string;
  }
}

backendSuite({
  name: 'webgpu in Chromium, portable variants',
  make: () => webgpu({ variants: 'portable' }),
  ...traits,
  goldens: async (path) => parseGoldens(new Uint8Array(await (await fetch(inject('goldens') + path)).arrayBuffer())),
});

it('finds the GPU of the browser, and says what it is', async () => {
  const backend = await webgpu();
  const { device, notes } = backend.describe();
  expect(device).toMatch(/swiftshader/i);
  expect(notes.join('\n')).toMatch(/subgroups of 4/);
  backend.dispose();
});

it('takes a software driver for no GPU where told to, and has no Dawn to give flags to', async () => {
  await expect(webgpu({ software: false })).rejects.toThrow(/there is no GPU; given: .*which computes on the CPU/i);
  await expect(webgpu({ dawn: ['adapter=llvmpipe'] })).rejects.toThrow(DeviceError);
});
