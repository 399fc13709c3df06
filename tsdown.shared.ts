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
