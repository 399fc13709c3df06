export { webgpu } from './webgpu.js';
export type { WebGpuOptions } from './options.js';
