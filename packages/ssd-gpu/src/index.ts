export type { WebGpuOptions } from './options.js';
export type { Block } from './runtime/memory.js';
export { webgpu } from './webgpu.js';
