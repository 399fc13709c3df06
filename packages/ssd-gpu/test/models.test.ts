import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { checkGoldens } from '../../../tools/goldens/check.js';
import { webgpu } from '../src/index.js';

const folder = fileURLToPath(new URL('../../../fixtures/goldens', import.meta.url));

/** Whole models and long sequences against Python's float64, by the checker that users run; it holds each case to its tolerance. */
for (const adapter of inject('gpuDrivers')) {
  describe.each([undefined, 'portable'])(`golden cases on ${adapter}, variants: %s`, (variants) => {
    const backend = webgpu({ dawn: [`adapter=${adapter}`], ...(variants && { variants }) });
    afterAll(async () => (await backend).dispose());

    it('all agree', { timeout: 300_000 }, async () => {
      const report = await checkGoldens(folder, await backend);
      const failures = report.cases.flatMap(({ name, quantities }) =>
        quantities.filter(({ ok }) => !ok).map((quantity) => ({ case: name, ...quantity })),
      );
      expect(failures).toEqual([]);
      expect(report.cases.length).toBe(report.listed);
    });
  });
}
