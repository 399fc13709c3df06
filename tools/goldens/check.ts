import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend } from '@mamba2/core';
import { writeSafetensors } from '@mamba2/model';
import { type CaseResult, KINDS, type Manifest, type Quantity, readManifest } from './manifest.js';
import { checkModel } from './models.js';
import { checkSelectiveScan, checkSsd } from './sequences.js';
import { checkTokenizer } from './tokenizers.js';

/**
 * Relative L2 errors allowed by backend. The truth is float64 rounded to float32 (6e-8): the reference must be that good and has some
 * slack for summation order; f32 backends lose about a digit more over a few hundred steps or a small model.
 */
const TOLERANCES: Readonly<Record<string, number>> = { reference: 1e-6 };
const TOLERANCE_F32 = 1e-5;

export interface CheckedCase {
  kind: (typeof KINDS)[number];
  name: string;
  ok: boolean;
  quantities: Quantity[];
}

export interface Report {
  backend: string;
  cases: CheckedCase[];
  /** Cases that the manifest lists; as many as were checked. */
  listed: number;
  failed: number;
  gradientsSkipped: number;
}

export interface CheckOptions {
  /** Writes what was computed to `DUMP/KIND/NAME.safetensors`, tokenizers to `.json`. */
  dump?: string | undefined;
  onCase?: (checked: CheckedCase) => void;
}

/** Runs every case of a goldens folder on a backend. A case that throws has failed; the others go on. */
export async function checkGoldens(
  folder: string,
  backend: Backend,
  { dump, onCase }: CheckOptions = {},
): Promise<Report> {
  const manifest = await readManifest(folder);
  const report: Report = { backend: backend.name, cases: [], listed: 0, failed: 0, gradientsSkipped: 0 };
  for (const kind of KINDS) {
    for (const entry of manifest[kind]) {
      report.listed++;
      const { quantities, skipped } = await attempt(async () => {
        const result = await checkCase(folder, kind, entry, backend);
        if (dump !== undefined) await writeComputed(join(dump, kind), entry.name, result.computed);
        return result;
      });
      const checked = {
        kind,
        name: entry.name,
        ok: quantities.length > 0 && quantities.every((q) => q.ok),
        quantities,
      };
      report.cases.push(checked);
      report.gradientsSkipped += skipped;
      if (!checked.ok) report.failed++;
      onCase?.(checked);
    }
  }
  return report;
}

function checkCase(
  folder: string,
  kind: (typeof KINDS)[number],
  entry: Manifest[typeof kind][number],
  backend: Backend,
): Promise<CaseResult> {
  const tolerance = TOLERANCES[backend.name] ?? TOLERANCE_F32;
  switch (kind) {
    case 'ssd':
      return checkSsd(folder, entry as Manifest['ssd'][number], backend, tolerance);
    case 'selective-scan':
      return checkSelectiveScan(folder, entry as Manifest['selective-scan'][number], backend, tolerance);
    case 'models':
      return checkModel(folder, entry as Manifest['models'][number], backend, tolerance);
    case 'tokenizers':
      return checkTokenizer(folder, entry as Manifest['tokenizers'][number]);
  }
}

async function attempt(check: () => Promise<CaseResult>): Promise<Pick<CaseResult, 'quantities' | 'skipped'>> {
  try {
    return await check();
  } catch (error) {
    const note = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { quantities: [{ name: 'failed', ok: false, note }], skipped: 0 };
  }
}

async function writeComputed(folder: string, name: string, computed: CaseResult['computed']): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ('json' in computed) await writeFile(join(folder, `${name}.json`), `${JSON.stringify(computed.json, null, 1)}\n`);
  else
    await writeFile(
      join(folder, `${name}.safetensors`),
      writeSafetensors(computed as Parameters<typeof writeSafetensors>[0]),
    );
}
