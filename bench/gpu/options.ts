import { parseArgs } from 'node:util';
import type { Backend } from '@mamba2/core';
import { webgpu } from '@mamba2/ssd-gpu';

/** A backend as the command line asks for it: `--dawn FLAG` (again and again), `--variants NAME`, `--json`, and sizes. */
export async function benchOptions() {
  const { values, positionals } = parseArgs({
    options: {
      dawn: { type: 'string', multiple: true, default: [] },
      variants: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const { dawn, variants } = values;
  const backend: Backend = await webgpu({ dawn, ...(variants && { variants }) });
  return { backend, dawn, variants: variants ?? 'fastest', json: values.json, positionals };
}

/** Prints what was measured: a table, or with `--json` everything. */
export function report(
  { backend, dawn, variants, json }: Awaited<ReturnType<typeof benchOptions>>,
  rows: readonly Readonly<Record<string, string | number>>[],
): void {
  const description = backend.describe();
  if (json) console.log(JSON.stringify({ ...description, dawn, variants, rows }, null, 1));
  else {
    console.log(
      `${description.device}; variants: ${variants}; Dawn: ${dawn.join(' ') || 'as it is'}; ${description.notes.join('; ')}`,
    );
    console.table(rows);
  }
}
