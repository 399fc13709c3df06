/**
 * The golden values on this machine's GPU, and norms of every width that they lack, with each variant forced in turn: `pnpm bench gpu-goldens DIR [--dawn FLAG]
 * [--json] [VARIANT …]`. Variants that round to f16 are held to 5e-3, all others to 1e-5 (whole models past 8 layers to 5e-5), as the golden checker does.
 */
import { parseArgs } from 'node:util';
import { UnsupportedError } from '@mamba2/core';
import { webgpu } from '@mamba2/ssd-gpu';
import { checkGoldens } from '../tools/goldens/check.js';
import { checkNorms } from './gpu/norms.js';

const ALL = ['portable', 'subgroups', 'subgroup-matrix'];

const { values, positionals } = parseArgs({
  options: { dawn: { type: 'string', multiple: true, default: [] }, json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [folder, ...named] = positionals;
if (folder === undefined) throw new Error('usage: pnpm bench gpu-goldens DIR [--dawn FLAG] [--json] [VARIANT …]');

const rows: Record<string, string | number>[] = [];
let device = '';
for (const variants of named.length > 0 ? named : ALL) {
  // Rounding to f16 is asked for, never slipped in.
  const precision = variants === 'subgroup-matrix' ? 'f16' : 'f32';
  let backend;
  try {
    backend = await webgpu({ dawn: values.dawn, variants, precision });
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    rows.push({ variants, cases: 0, failed: 0, worst: '–', at: error.message.split('\n')[0]! });
    continue;
  }
  device = backend.describe().device;
  const report = await checkGoldens(folder, backend);
  const norms = await checkNorms(backend);
  backend.dispose();
  const quantities = report.cases.flatMap(({ kind, name, quantities: all }) =>
    all.map((quantity) => ({ ...quantity, at: `${kind}/${name} ${quantity.name}` })),
  );
  const tolerance = precision === 'f16' ? 5e-3 : undefined;
  const failed = quantities.filter(({ ok, relative }) =>
    tolerance !== undefined && relative !== undefined ? !(relative <= tolerance) : !ok,
  );
  const worst = quantities.reduce((a, b) => ((b.relative ?? 0) > (a.relative ?? 0) ? b : a));
  rows.push({
    variants,
    cases: report.cases.length,
    quantities: quantities.length,
    failed: failed.length,
    worst: (worst.relative ?? 0).toExponential(1),
    at: failed[0]?.at ?? worst.at,
    note: failed[0]?.note ?? '',
  });
  // Nothing in them is rounded to f16.
  const worstNorm = norms.reduce((a, b) => (b.error <= a.error ? a : b));
  rows.push({
    variants: `${variants}, norms`,
    cases: norms.length,
    quantities: norms.length,
    failed: norms.filter(({ error }) => !(error <= 1e-5)).length,
    worst: worstNorm.error.toExponential(1),
    at: worstNorm.at,
  });
}

if (values.json) console.log(JSON.stringify({ device, dawn: values.dawn, rows }, null, 1));
else {
  console.log(`${device}; Dawn: ${values.dawn.join(' ') || 'as it is'}`);
  console.table(rows);
}
if (rows.some(({ failed, cases }) => failed !== 0 || (cases === 0 && named.length > 0))) process.exitCode = 1;
