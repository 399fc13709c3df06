/**
 * Every `ts` block of the README and of the docstrings runs by itself, the blocks of the guide run as one module, and `expression; // value`
 * holds in all of them.
 */

import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The `ts` blocks of a text; in a docstring each line begins with an asterisk. */
function blocksOf(text: string): string[] {
  return [...text.matchAll(/^( \* )?```ts\n(.*?)^\1```$/gms)].map(([, star, code]) =>
    star ? code!.replaceAll(/^ \* ?/gm, '') : code!,
  );
}

/** `expression; // value` → a check; comments that are no value (in JSON, quotes aside) stay comments. */
function withChecks(code: string): { code: string; checks: number } {
  let checks = 0;
  const lines = code.split('\n').map((line) => {
    const [, expression, comment] = /^(?!import|const|let|\/\/)(\S.*); \/\/ (.*)$/.exec(line) ?? [];
    const value = comment?.replace(/^.*: (?=\[)/, '').replaceAll("'", '"');
    if (expression === undefined || value === undefined || !isJson(value)) return line;
    checks++;
    return `globalThis.check(${JSON.stringify(line)}, ${expression}, ${value});`;
  });
  return { code: lines.join('\n'), checks };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const files = [
  'README.md',
  ...(await readdir(join(root, 'src'), { recursive: true })).map((name) => join('src', name)),
];
const examples: { file: string; at: number; code: string; checks: number }[] = [];
for (const file of files.filter((name) => /\.(md|ts)$/.test(name))) {
  const blocks = blocksOf(await readFile(join(root, file), 'utf8'));
  blocks.forEach((block, at) => examples.push({ file, at: at + 1, ...withChecks(block) }));
}

const guide = '../../docs/scans.md';
const chapters = blocksOf(await readFile(join(root, guide), 'utf8'));
examples.push({ file: guide, at: 1, ...withChecks(chapters.join('\n')) });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mamba2-examples-'));
  Object.assign(globalThis, {
    check(line: string, actual: unknown, expected: unknown) {
      expect(ArrayBuffer.isView(actual) ? Array.from(actual as Float64Array) : actual, line).toEqual(expected);
    },
  });
});
afterAll(() => rm(folder, { recursive: true }));

describe('examples run', () => {
  test('and there are some, most with a value to check', () => {
    expect(examples.length).toBeGreaterThan(15);
    expect(examples.filter((example) => example.checks > 0).length).toBeGreaterThan(examples.length * 0.8);
  });

  test.each(examples)('$file $at', async ({ file, at, code }) => {
    const { outputFiles } = await build({
      stdin: { contents: code, resolveDir: root, loader: 'ts' },
      bundle: true,
      write: false,
      format: 'esm',
      conditions: ['@mamba2/source'],
    });
    const module = join(folder, `${file.replaceAll(/[./]+/g, '-')}-${at}.mjs`);
    await writeFile(module, outputFiles[0]!.text);
    await import(/* @vite-ignore */ pathToFileURL(module).href);
  });
});
