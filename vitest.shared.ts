import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defineConfig, mergeConfig, type Plugin } from 'vitest/config';

/** Where packages are installed from their tarballs; given, the tests import those in place of the sources. */
export const published = process.env['MAMBA2_PUBLISHED'];

/** Takes whatever a test imports from an entry point of a package (its own `src/index` or `src/…/index`, or `@mamba2/…`) from what is published. */
function fromPublished(folder: string): Plugin {
  // A package that is installed is all there is of it: a file that it lacks is an error, and not taken from the source.
  const entry = (name: string, path = 'index') => {
    const installed = join(folder, '@mamba2', name);
    return existsSync(installed) ? join(installed, `dist/${path}.js`) : undefined;
  };
  return {
    name: 'from-published',
    enforce: 'pre',
    resolveId(source, importer) {
      const [, named, sub] = /^@mamba2\/([\w-]+)(?:\/(\w+))?$/.exec(source) ?? [];
      if (named !== undefined) return entry(named, sub);
      if (!source.startsWith('.') || importer === undefined) return undefined;
      const at = resolve(dirname(importer), source);
      const [, own, part] = /packages\/([\w-]+)\/src\/(?:(\w+)\/)?index\.[jt]s$/.exec(at) ?? [];
      return own === undefined ? undefined : entry(own, part);
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
    // What is waited for comes when a busy machine has time for it.
    expect: { poll: { timeout: 30_000 } },
  },
});

/** The same for tests that leave nothing behind and measure no memory: files share a process, and what they import is loaded once. */
export const inOneProcess = mergeConfig(shared, { test: { isolate: false } });
