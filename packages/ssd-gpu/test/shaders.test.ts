import { afterAll, describe, expect, inject, it } from 'vitest';
import { kernelsOf } from '../src/describe.js';
import { openGpu } from '../src/open.js';
import { findGpu } from '../src/runtime/gpu.js';
import { attentionMaskedKernel, attentionNarrowKernel } from '../src/operations/attention-kernels.js';
import { linearNarrowKernel } from '../src/operations/linear-kernels.js';
import { matrixKernels } from '../src/operations/ssd-kernels.js';
import { STORAGE } from '../src/operations/weight.js';
import {
  compiledOf,
  type Constants,
  deviceLacks,
  type Kernel,
  shaderText,
  type Variant,
} from '../src/runtime/kernel.js';

/** Values for every constant that some kernel is compiled for. */
const constants: Constants = {
  WG: 64,
  TILE: 64,
  SLOTS: 2,
  ROWS: 8,
  BATCH: 2,
  Q: 64,
  WIDTH: 4,
  STEPS: 16,
  HELD: 3,
  STATES: 16,
  NORM: true,
  DEPTH: 2,
  EACH: 2,
  DOWN: 64,
  COLUMNS: 4,
  ALONG: 128,
  ACROSS: 8,
  GATE_LAST: true,
  SILU: true,
  TAIL: true,
  LANES: 4,
  OUTPUT: true,
  FOUR: true,
  TM: 64,
  TN: 64,
  SPAN: 256,
  BLOCKS: 4,
};

/** Kernels that no operation of a backend names as its own. */
const others = [linearNarrowKernel, attentionMaskedKernel, attentionNarrowKernel];

/** What a kernel's operands and libraries, and with them its text, depend on. */
const forms: Constants[] = [
  { CONV: false, WIDE: true, WIDE_OUT: true, TAKE: true, SOFTWARE: false },
  { CONV: true, WIDE: false, WIDE_OUT: false, TAKE: false, SOFTWARE: true },
];

/** Those of the constants that a kernel does not set itself. */
function constantsFor(kernel: Kernel, variant: Variant, all: Constants): Constants {
  const text = [...variant.libraries(all), variant.source ?? kernel.source].join('\n');
  const own = new Set([...text.matchAll(/^const (\w+)/gm)].map(([, name]) => name));
  const given = Object.entries(all).filter(([name]) => !own.has(name) && !(name in (variant.constants ?? {})));
  return compiledOf(kernel, Object.fromEntries(given));
}

describe.each(inject('gpuDrivers'))('shaders on %s', (name) => {
  const opened = openGpu({ dawn: [`adapter=${name}`] });
  afterAll(async () => (await opened).close());

  it('compile without a word, in every variant, for every way weights are stored', async () => {
    const { gpu } = await opened;
    const said: string[] = [];
    const seen = new Set<string>();
    for (const kernel of new Set([...Object.values(kernelsOf).flat(), ...others])) {
      for (const variant of kernel.variants) {
        for (const STORED of Object.values(STORAGE)) {
          for (const form of forms) {
            const all = { ...constants, ...form, STORED };
            if (variant.lacks?.(gpu.capabilities, all) || deviceLacks(variant, gpu.capabilities)) continue;
            const code = shaderText(kernel, variant, constantsFor(kernel, variant, all));
            if (seen.has(code)) continue;
            seen.add(code);
            const module = gpu.device.createShaderModule({ label: kernel.name, code });
            const { messages } = await module.getCompilationInfo();
            said.push(
              ...messages.map(({ message, lineNum }) => `${kernel.name} ${variant.name}:${lineNum}: ${message}`),
            );
          }
        }
      }
    }
    expect(said).toEqual([]);
    expect(seen.size).toBeGreaterThanOrEqual(50);
  });
});

it('those with subgroup matrices compile too, on a device that checks and computes nothing', async () => {
  const entry = await findGpu(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = (await entry.requestAdapter())!;
  const requiredFeatures = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures });
  const said: string[] = [];
  let compiled = 0;
  for (const kernel of new Set([...Object.values(kernelsOf).flat(), ...matrixKernels])) {
    for (const variant of kernel.variants.filter(({ enables }) => enables?.includes('subgroup-matrix'))) {
      for (const form of forms) {
        const chunks = kernel.name.startsWith('ssd-') && { Q: 128, WG: 128 };
        const patches =
          kernel.name === 'linear-tiles' && (form['WIDE'] ? { DOWN: 2, COLUMNS: 4 } : { DOWN: 1, COLUMNS: 2 });
        const all = { ...constants, ...form, STORED: STORAGE.f16, ...chunks, ...patches };
        const code = shaderText(kernel, variant, constantsFor(kernel, variant, all));
        const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
        said.push(...messages.map(({ message, lineNum }) => `${kernel.name} ${variant.name}:${lineNum}: ${message}`));
        compiled++;
      }
    }
  }
  expect(said).toEqual([]);
  expect(compiled).toBeGreaterThan(0);
  device.destroy();
});
