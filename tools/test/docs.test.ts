import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { prepareDrivers } from '../gpu/drivers.ts';
import { codeBlocks, docstringBlocks, moduleOf, runBlock, runCodeBlocks, runConsole } from '../docs/run-code-blocks.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Every Markdown file that a reader may open, relative to the root. */
const documents = ['.', 'docs', 'bench', 'fixtures', ...['packages', 'apps', 'models'].flatMap(foldersIn)].flatMap(
  (folder) =>
    (existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [])
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
);

/** Documents whose code needs a GPU, or a driver that pretends to be one. */
const onGpu = ['packages/ssd-gpu/README.md', 'docs/kernels.md'];
const { drivers, missing } = await prepareDrivers();

/** The file that a block shows, as in ```js packed/apps/vite/main.js: other tests run it. */
function shownFile(language: string): string | undefined {
  return /^(?:html|js) (packed\/apps\/\S+)$/.exec(language)?.[1];
}

function foldersIn(folder: string): string[] {
  return readdirSync(join(root, folder)).map((name) => join(folder, name));
}

function sourcesIn(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name));
}

describe.each(documents)('%s', (path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const blocks = codeBlocks(text);

  test('has no kind of code that is not run', () => {
    expect(
      blocks
        .map((b) => b.language)
        .filter((language) => !['ts', 'console', 'text', 'math', 'mermaid'].includes(language) && !shownFile(language)),
    ).toEqual([]);
  });

  for (const { language, code } of blocks) {
    const file = shownFile(language);
    if (file !== undefined)
      test(`shows ${file} as it is`, () => expect(`${code}\n`).toBe(readFileSync(join(root, file), 'utf8')));
  }

  if (blocks.some((b) => b.language === 'ts') && (drivers.length > 0 || !onGpu.includes(path))) {
    test('its TypeScript runs', async () => {
      await runCodeBlocks(join(root, path));
    }, 180_000);
  }

  for (const block of blocks.filter((b) => b.language === 'console')) {
    test(`its transcript on line ${block.line} is what the command prints`, async () => {
      for (const { printed, shown } of await runConsole(block)) expect(printed).toBe(shown);
    }, 180_000);
  }

  test('its links to files lead somewhere', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, target]) => target!);
    const missing = links.filter((target) => !existsSync(join(root, dirname(path), target)));
    expect(missing).toEqual([]);
  });
});

// Those of core and scan run in their own tests, which hold values to what the comments beside them say.
const examples = ['model', 'ssd-cpu', 'ssd-gpu', 'tokenizer']
  .flatMap((name) => sourcesIn(`packages/${name}/src`))
  .flatMap((path) => docstringBlocks(readFileSync(join(root, path), 'utf8')).map((block) => ({ path, block })));

test.each(examples)(
  'the example on line $block.line of $path runs',
  async ({ path, block }) => {
    expect(block.language).toBe('ts');
    await runBlock(join(root, path), block);
  },
  180_000,
);

describe.each(documents.filter((path) => path.endsWith('.zh.md')))('%s', (path) => {
  test('shows the same code and mathematics as the English, but for words', () => {
    // Comments, and words inside formulas, are translated.
    const bare = (name: string) =>
      codeBlocks(readFileSync(join(root, name), 'utf8'))
        .filter(({ language }) => language !== 'console')
        .map(({ language, code }) => ({
          language,
          code: code.replaceAll(/ *(\/\/ .*|\/\*\*.*\*\/)/g, '').replaceAll(/\\text\{[^}]*\}/g, ''),
        }));
    expect(bare(path)).toEqual(bare(path.replace('.zh.md', '.md')));
  });
});

test('documents are found, and what needs a GPU has one', () => {
  for (const line of missing) console.warn(`no code of ${onGpu.join(', ')} ran there: ${line}`);
  if (process.env['REQUIRE_GPU'] === '1') expect(missing).toEqual([]);
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'packages/scan/README.md']));
  expect(examples.map(({ path }) => path)).toContain('packages/model/src/mamba2.ts');
});

describe('running code blocks', () => {
  function inFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), 'docs-'));
    const path = join(folder, 'guide.md');
    writeFileSync(path, text);
    return use(path).finally(() => rmSync(folder, { recursive: true }));
  }

  test('blocks of a file share their names, and imports may come late', async () => {
    const text =
      'One:\n```ts\nconst two = 2;\n```\nthen\n```ts\nimport { silu } from "@mamba2/core";\nconsole.log(two, silu(0));\n```\n';
    expect(await inFile(text, runCodeBlocks)).toEqual({ stdout: '2 0\n', stderr: '' });
  });

  test('an error names the file and the line', async () => {
    const text = '# Title\n\nText.\n\n```ts\nconst fine = 1;\n```\n\n```ts\nthrow new Error(`no ${fine}`);\n```\n';
    await expect(inFile(text, runCodeBlocks)).rejects.toThrowError(/guide\.md:10[\s\S]*no 1/);
  });

  test('other languages are left alone, longer fences hold shorter ones', () => {
    const text = '```text\nx\n```\n````ts\n// ```\n````\n';
    expect(codeBlocks(text)).toEqual([
      { language: 'text', line: 2, code: 'x' },
      { language: 'ts', line: 5, code: '// ```' },
    ]);
    expect(moduleOf(text)).toBe('\n\n\n\n// ```');
    expect(() => codeBlocks('```ts\n')).toThrowError('line 1 is never closed');
  });

  test('a transcript may only show the command', async () => {
    await expect(runConsole({ language: 'console', line: 3, code: '$ rm -rf x' })).rejects.toThrowError(
      'only "pnpm mamba2 …" is run',
    );
  });
});
