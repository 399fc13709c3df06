import { defineConfig } from 'tsdown';

/** One bundled entry and its types per package; ES modules only. */
export const shared = defineConfig({
  entry: ['src/index.ts'],
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  dts: true,
  sourcemap: true,
  fixedExtension: false,
  logLevel: 'warn',
});

/** The same for a package with further entry points `src/NAME/index.ts`, imported as `@mamba2/…/NAME`. */
export const withEntries = (...names: readonly string[]) =>
  defineConfig({
    ...shared,
    entry: { index: 'src/index.ts', ...Object.fromEntries(names.map((name) => [name, `src/${name}/index.ts`])) },
  });
