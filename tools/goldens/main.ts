import { parseArgs } from 'node:util';
import { openBackend } from '@mamba2/model';
import { type CheckedCase, checkGoldens, type Report } from './check.js';
import type { Quantity } from './manifest.js';

const USAGE = `pnpm goldens DIR [--backend NAME] [--json] [--dump OUT]

Runs every case of the goldens folder DIR. Exits with 1 if one misses its tolerance.
`;

function line({ kind, name }: CheckedCase, q: Quantity): string {
  const errors =
    q.relative === undefined
      ? (q.note ?? '')
      : `relative L2 ${q.relative.toExponential(2)} (≤ ${q.tolerance}), worst ${q.worst?.toExponential(2)} at (${q.at?.join(', ')})`;
  return `${q.ok ? 'ok  ' : 'FAIL'} ${`${kind}/${name}`.padEnd(34)} ${q.name.padEnd(28)} ${errors}`;
}

function summary({ cases, listed, failed, gradientsSkipped, backend }: Report): string {
  return (
    `${cases.length} of the manifest's ${listed} cases checked on ${backend}; ${gradientsSkipped} gradients skipped: nothing computes them yet\n` +
    `${cases.length - failed} passed, ${failed} failed`
  );
}

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    options: { backend: { type: 'string', default: 'reference' }, json: { type: 'boolean' }, dump: { type: 'string' } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1) {
    process.stderr.write(USAGE);
    return 2;
  }
  const backend = await openBackend(values.backend);
  const onCase = values.json
    ? undefined
    : (checked: CheckedCase) => checked.quantities.forEach((q) => process.stdout.write(`${line(checked, q)}\n`));
  const report = await checkGoldens(folder, backend, { dump: values.dump, ...(onCase && { onCase }) });
  backend.dispose();
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${summary(report)}\n`);
  return report.failed > 0 || report.cases.length === 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`goldens: ${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
});
