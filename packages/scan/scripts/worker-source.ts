/**
 * Turns the script of a pool's workers into text: `tsx scripts/worker-source.ts` writes src/threads/worker-source.ts. A function's own
 * text is no substitute: bundlers, test runners and coverage tools rewrite it, and with it go its imports.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

/** A module and all it imports as one script. */
export async function scriptOf(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    conditions: ['@mamba2/source'],
  });
  return outputFiles[0]!.text.trim();
}

/** The module that holds the text. */
export async function workerSource(): Promise<string> {
  return [
    '/** The text of scan-worker.ts, made by scripts/worker-source.ts; a test holds them together. */',
    'export const scanWorker =',
    `  ${quoted(await scriptOf(fileURLToPath(new URL('../src/threads/scan-worker.ts', import.meta.url))))};`,
    '',
  ].join('\n');
}

/** Where that module lives. */
export const workerSourcePath = fileURLToPath(new URL('../src/threads/worker-source.ts', import.meta.url));

/** As a string literal, with the quotes that need fewer escapes: prettier's choice. */
function quoted(text: string): string {
  const quote = text.split("'").length > text.split('"').length ? '"' : "'";
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`).replaceAll('\n', '\\n') + quote;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await workerSource();
  if ((await readFile(workerSourcePath, 'utf8').catch(() => '')) !== text) await writeFile(workerSourcePath, text);
}
