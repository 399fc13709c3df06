import { afterAll, beforeAll, describe } from 'vitest';
import type { Golden } from '../../../../fixtures/read.ts';
import type { Backend, BlockFormat } from '../../src/index.js';
import { attentionTests } from './suite/attention.js';
import type { Suite } from './suite/context.js';
import { convolutionTests } from './suite/convolution.js';
import { denseTests } from './suite/dense.js';
import { layerNormTests } from './suite/layer-norm.js';
import { memoryTests } from './suite/memory.js';
import { programTests } from './suite/program.js';
import { refusalTests } from './suite/refusals.js';
import { samplerTests } from './suite/sampler.js';
import { scopeTests } from './suite/scopes.js';
import { selectiveScanTests } from './suite/selective-scan.js';
import { ssdTests } from './suite/ssd.js';
import { weightTests } from './suite/weights.js';

export interface BackendSuiteOptions {
  /** What the tests are listed under: the backend and the variant that is forced, if one is. */
  name: string;
  make: () => Backend | Promise<Backend>;
  /**
   * Largest relative L2 error ‖out − ref‖ / ‖ref‖ against formulas in float64. For arithmetic in float32 1e-5: a sum of k products loses
   * about √k · 6e-8, and no sum here has more than a few thousand terms.
   */
  tolerance: number;
  /** The chunk length, or another length around which the backend changes its ways. */
  q?: number;
  /** Whether prefilling in any split gives the same bits, not only the same values to rounding. */
  exactSplits?: boolean;
  /** Whether ids, rows, lengths and sampling parameters out of range are refused; a device only has to survive them. */
  checksContents?: boolean;
  /** Block formats of weights that the backend computes with; both by default. */
  blockFormats?: readonly BlockFormat[];
  /** Reads a golden file; the default needs Node's file system. */
  goldens?: (path: string) => Record<string, Golden> | Promise<Record<string, Golden>>;
}

/**
 * The tests that every backend passes: each operation against a formula of its own (see `oracles.ts`) or golden values, never against
 * another backend.
 */
export function backendSuite(options: BackendSuiteOptions): void {
  const { name, make, tolerance, q = 64, exactSplits = false, checksContents = false } = options;
  const { blockFormats = ['q8', 'q4'] } = options;
  const goldens = options.goldens ?? (async (path) => (await import('../../../../fixtures/read.ts')).readGoldens(path));

  describe(`backend ${name}`, () => {
    let current: Backend;
    const suite: Suite = {
      get backend() {
        return current;
      },
      make: async () => make(),
      goldens: async (path) => goldens(path),
      tolerance,
      q,
      exactSplits,
      checksContents,
      blockFormats,
    };
    beforeAll(async () => {
      current = await make();
    });
    afterAll(() => current?.dispose());

    memoryTests(suite);
    scopeTests(suite);
    programTests(suite);
    refusalTests(suite);
    denseTests(suite);
    layerNormTests(suite);
    weightTests(suite);
    convolutionTests(suite);
    ssdTests(suite);
    selectiveScanTests(suite);
    attentionTests(suite);
    samplerTests(suite);
  });
}
