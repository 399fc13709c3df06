import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { digest } from '../scripts/digest.js';

const at = (path: string) => new URL(`../${path}`, import.meta.url).pathname;

describe('the kernels in the repository', () => {
  it('are those of the sources', () => {
    const [line] = readFileSync(at('src/generated/kernels.ts'), 'utf8').split('\n');
    expect(line).toContain(digest());
  });

  it('and everything around them fit into 60 KB, compressed', async () => {
    const { outputFiles } = await build({
      entryPoints: [at('src/index.ts')],
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      conditions: ['@mamba2/source'],
    });
    expect(brotliCompressSync(outputFiles[0]!.contents).length).toBeLessThan(60 * 1024);
  });
});
