/**
 * Turns modules that run inside workers into text: `tsx scripts/worker-source.ts` writes src/threads/worker-source.ts. A function's own
 * text is no substitute: bundlers, test runners and coverage tools rewrite it, and with it go its imports.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

/** The text of a module as a script that leaves its exports in a variable. */
export async function scriptOf(entry: string, variable: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    globalName: variable,
    target: 'es2022',
    charset: 'utf8',
    conditions: ['@mamba2/source'],
  });
  return outputFiles[0]!.text.trim();
}

/** The module that holds the texts. */
export async function workerSource(): Promise<string> {
  const [serve, tasks] = await Promise.all([
    scriptOf(pathOf('../src/threads/serve.ts'), 'pool'),
    scriptOf(pathOf('../src/threads/tasks.ts'), 'tasks'),
  ]);
  return [
    '/** Made by scripts/worker-source.ts from serve.ts and tasks.ts; a test holds them together. */',
    '',
    '/** Defines `pool.serve`. */',
    `export const serveSource =\n  ${quoted(serve)};`,
    '',
    '/** Defines `tasks`. */',
    `export const scanTasksSource =\n  ${quoted(tasks)};`,
    '',
  ].join('\n');
}

/** Where the module lives. */
export const workerSourcePath = pathOf('../src/threads/worker-source.ts');

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

/** As a string literal, with the quotes that need fewer escapes: prettier's choice. */
function quoted(text: string): string {
  const quote = text.split("'").length > text.split('"').length ? '"' : "'";
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`).replaceAll('\n', '\\n') + quote;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await workerSource();
  if ((await readFile(workerSourcePath, 'utf8').catch(() => '')) !== text) await writeFile(workerSourcePath, text);
}
