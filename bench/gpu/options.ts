import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Backend } from '@mamba2/core';
import { webgpu } from '@mamba2/ssd-gpu';
import { create, globals } from 'webgpu';
import { type KernelTime, timedAdapter } from './kernel-times.js';

/**
 * A backend as the command line asks for it: `--dawn FLAG` (again and again), `--variants NAME` or `KERNEL=NAME,…`, `--precision f16`,
 * `--slots N`, `--json`, `--out FILE`, and sizes. With `--kernels` its device times every dispatch by itself.
 */
export async function benchOptions() {
  const { values, positionals } = parseArgs({
    options: {
      dawn: { type: 'string', multiple: true, default: [] },
      variants: { type: 'string' },
      precision: { type: 'string', default: 'f32' },
      slots: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      kernels: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const { dawn, variants, json } = values;
  const precision = values.precision as 'f32' | 'f16';
  const forced = variants?.includes('=')
    ? (Object.fromEntries(variants.split(',').map((pair) => pair.split('='))) as Record<string, string>)
    : variants;
  const start = performance.now();
  const common = { precision, ...(forced && { variants: forced }) };
  const timed = values.kernels ? await kernelClock(dawn) : undefined;
  const gpu = await webgpu(timed ? { ...common, adapter: timed.adapter } : { ...common, dawn });
  const backend: Backend = gpu;
  const opened = performance.now() - start;
  return {
    backend,
    /** The same, with what lets kernels run by themselves. */
    gpu,
    dawn,
    variants: variants ?? 'fastest',
    precision,
    slots: Number(values.slots),
    json,
    out: values.out,
    positionals,
    opened,
    times: timed?.times,
  };
}

type Options = Awaited<ReturnType<typeof benchOptions>>;
type Row = Readonly<Record<string, string | number>>;

/** All that was measured, and on what. */
function measured({ backend, dawn, variants, precision }: Options, rows: readonly Row[]): string {
  return JSON.stringify({ ...backend.describe(), dawn, variants, precision, rows }, null, 1);
}

/** Says a row as soon as it is measured and, with `--out`, writes all so far: a run that is cut off loses nothing. */
export function note(options: Options, rows: readonly Row[]): void {
  console.error(JSON.stringify(rows.at(-1)));
  if (options.out !== undefined) writeFileSync(options.out, `${measured(options, rows)}\n`);
}

/** Dawn must stay referenced. */
let kept: GPU | undefined;

async function kernelClock(
  dawn: readonly string[],
): Promise<{ adapter: GPUAdapter; times: () => Promise<KernelTime[]> }> {
  Object.assign(globalThis, globals);
  kept = create(['disable-dawn-features=timestamp_quantization', ...dawn]);
  const adapter = await kept.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter?.features.has('timestamp-query')) throw new Error('no GPU with timestamps');
  return timedAdapter(adapter);
}

/** Prints what was measured: a table, or with `--json` everything. */
export function report(options: Options, rows: readonly Row[]): void {
  const { backend, dawn, variants, precision, json } = options;
  const description = backend.describe();
  if (json) console.log(measured(options, rows));
  else {
    console.log(
      `${description.device}; variants: ${variants}; precision: ${precision}; Dawn: ${dawn.join(' ') || 'as it is'}; ${description.notes.join('; ')}`,
    );
    console.table(rows);
  }
}
