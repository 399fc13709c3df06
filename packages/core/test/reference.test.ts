import { backendSuite } from './support/backend-suite.js';
import { reference } from '../src/reference/index.js';

backendSuite({
  name: 'reference',
  make: reference,
  // Everything is float64. What is lost comes from summing in another order than the formulas: a few thousand terms at 1e-16 each.
  tolerance: 1e-12,
  exactSplits: true,
  checksContents: true,
});
