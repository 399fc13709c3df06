import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defineConfig } from 'tsdown';
import { withEntries } from '../../tsdown.shared.ts';

const matrix = dirname(createRequire(import.meta.url).resolve('ml-matrix'));

/**
 * The numeric libraries travel inside the package, as ES modules, so that it loads in a browser as it is. The SVD lies in a file of its own, which
 * bundlers leave out where nobody asks for a rank.
 */
export default defineConfig({
  ...withEntries('lti', 'ranks', 'reference', 'weights'),
  deps: { alwaysBundle: ['ml-matrix', 'fourier-transform'] },
  alias: { 'ml-matrix': join(matrix, 'src/index.js') },
  outputOptions: { codeSplitting: { groups: [{ name: 'svd', test: /ml-matrix|ml-array|is-any-array/ }] } },
});
