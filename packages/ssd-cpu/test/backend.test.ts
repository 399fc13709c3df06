import { backendSuite } from '../../core/test/support/backend-suite.js';
import { wasm } from '../src/index.js';

// f32 arithmetic: a sum of k products loses about √k · 6e-8.
backendSuite({ name: 'wasm, one thread', make: () => wasm({ threads: 1 }), tolerance: 1e-5, q: 64 });
