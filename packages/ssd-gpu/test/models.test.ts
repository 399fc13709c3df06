import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { checkGoldens } from '../../../tools/goldens/check.js';
import { webgpu } from '../src/index.js';

const folder = fileURLToPath(new URL('../../../fixtures/goldens', import.meta.url));

/** Whole models and long sequences against Python's float64, by the checker that users run; it holds each case to its tolerance. */
describe.each(inject('gpuDrivers'))('golden cases on %s', (adapter) => {
  // The driver with f16 takes the fastest variants, the other one what every device can do.
  const variants = adapter === 'llvmpipe' ? undefined : 'portable';
  const backend = webgpu({ dawn: [`adapter=${adapter}`], ...(variants && { variants }) });
  afterAll(async () => (await backend).dispose());

  it('all agree', { timeout: 600_000 }, async () => {
    const report = await checkGoldens(folder, await backend);
    const failures = report.cases.flatMap(({ name, quantities }) =>
      quantities.filter(({ ok }) => !ok).map((quantity) => ({ case: name, ...quantity })),
    );
    expect(failures).toEqual([]);
    expect(report.cases.length).toBe(report.listed);
  });
});
