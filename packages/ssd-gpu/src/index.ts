export { type Kernels, kernels } from './kernels.js';
export type { WebGpuOptions } from './options.js';
export type { QuadraticOptions } from './operations/ssd-quadratic.js';
export type { Recording } from './program.js';
export type { BufferRange, WrapOptions } from './runtime/borrow.js';
export type { ForcedVariants } from './runtime/kernel.js';
export type { Block, GpuTensor } from './runtime/memory.js';
export * from './standalone.js';
export { webgpu, type WebGpuBackend } from './webgpu.js';
