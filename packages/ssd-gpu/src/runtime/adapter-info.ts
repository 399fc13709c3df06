import type { Capabilities } from './capabilities.js';

/** What an adapter says about itself, in words. */
export function adapterName({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return (
    [...new Set([description || device, vendor, architecture])].filter(Boolean).join(', ') ||
    'a GPU that does not tell its name'
  );
}

/** Whether a driver computes on the CPU. Not all of them say so by `isFallbackAdapter`. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  const names = `${info.description} ${info.device} ${info.architecture}`;
  return info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|basic render|softpipe/i.test(names);
}

const inNode = () => typeof process !== 'undefined' && process.versions?.['node'] !== undefined;

const FLAGS = {
  f16OnNvidia: 'vulkan_enable_f16_on_nvidia',
  experiments: 'allow_unsafe_apis',
} as const;

/** What would make this device faster that its owner can switch on, in words. */
export function adviceFor(info: GPUAdapterInfo, { f16, subgroupMatrix }: Capabilities, offered: boolean): string[] {
  if (isSoftware(info)) return ['this driver computes on the CPU: the wasm backend is faster'];
  const nvidia = /nvidia/i.test(`${info.vendor} ${info.description}`);
  const flags: string[] = [];
  if (!f16 && nvidia) flags.push(FLAGS.f16OnNvidia);
  if (subgroupMatrix.length === 0 && !offered && !/apple/i.test(info.vendor)) flags.unshift(FLAGS.experiments);
  if (flags.length === 0) return [];
  const what = f16 ? 'subgroup matrices, if it has them' : nvidia ? 'f16 and subgroup matrices' : 'subgroup matrices';
  if (inNode()) return [`${what}: webgpu({ dawn: ['enable-dawn-features=${flags.join(',')}'] }) asks for them`];
  return [
    `${what}: Chromium started with --enable-unsafe-webgpu${nvidia && !f16 ? ` --enable-dawn-features=${FLAGS.f16OnNvidia}` : ''} asks for them`,
  ];
}
