import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vitest/config';

/** Where packages are installed from their tarballs; given, the tests import those in place of the sources. */
const published = process.env['MAMBA2_PUBLISHED'];

/** Takes whatever a test imports from a package's root (its own `src/index`, or `@mamba2/…`) from what is published. */
function fromPublished(folder: string): Plugin {
  const root = (name: string) => join(folder, '@mamba2', name, 'dist/index.js');
  return {
    name: 'from-published',
    enforce: 'pre',
    resolveId(source, importer) {
      const [, named] = /^@mamba2\/([\w-]+)$/.exec(source) ?? [];
      if (named !== undefined) return existsSync(root(named)) ? root(named) : undefined;
      if (!source.startsWith('.') || importer === undefined) return undefined;
      const [, own] = /packages\/([\w-]+)\/src\/index\.[jt]s$/.exec(resolve(dirname(importer), source)) ?? [];
      return own === undefined ? undefined : root(own);
    },
  };
}

/** Every package's tests read its neighbours from source, so no build is needed first. */
export const shared = defineConfig({
  plugins: published === undefined ? [] : [fromPublished(published)],
  resolve: { conditions: ['@mamba2/source'] },
  ssr: { resolve: { conditions: ['@mamba2/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
  },
});
