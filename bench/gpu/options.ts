import { parseArgs } from 'node:util';
import { webgpu, type WebGpuBackend } from '@mamba2/ssd-gpu';

/** A backend as the command line asks for it: `--dawn FLAG` (again and again), `--variants NAME` or `KERNEL=NAME,…`, `--precision f16`, `--json`, and sizes. */
export async function benchOptions() {
  const { values, positionals } = parseArgs({
    options: {
      dawn: { type: 'string', multiple: true, default: [] },
      variants: { type: 'string' },
      precision: { type: 'string', default: 'f32' },
      slots: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const { dawn, variants, json } = values;
  const precision = values.precision as 'f32' | 'f16';
  const forced = variants?.includes('=')
    ? (Object.fromEntries(variants.split(',').map((pair) => pair.split('='))) as Record<string, string>)
    : variants;
  const start = performance.now();
  const backend: WebGpuBackend = await webgpu({ dawn, precision, ...(forced && { variants: forced }) });
  const opened = performance.now() - start;
  return {
    backend,
    dawn,
    variants: variants ?? 'fastest',
    precision,
    slots: Number(values.slots),
    json,
    positionals,
    opened,
  };
}

/** Prints what was measured: a table, or with `--json` everything. */
export function report(
  { backend, dawn, variants, precision, json }: Awaited<ReturnType<typeof benchOptions>>,
  rows: readonly Readonly<Record<string, string | number>>[],
): void {
  const description = backend.describe();
  if (json) console.log(JSON.stringify({ ...description, dawn, variants, precision, rows }, null, 1));
  else {
    console.log(
      `${description.device}; variants: ${variants}; precision: ${precision}; Dawn: ${dawn.join(' ') || 'as it is'}; ${description.notes.join('; ')}`,
    );
    console.table(rows);
  }
}
