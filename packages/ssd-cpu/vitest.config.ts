import { mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// Node 20 keeps relaxed SIMD behind a flag; kernels of both kinds are tested.
export default mergeConfig(shared, { test: { execArgv: ['--experimental-wasm-relaxed-simd'] } });
