import { plainKernels, plainSharedFlag, relaxedKernels, relaxedSharedFlag } from '../generated/kernels.js';

/** A module of one function with a relaxed multiply-add: valid exactly where relaxed SIMD is. */
const relaxedProbe = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2,
  253, 133, 2, 11,
];

/** Whether this engine has relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(Uint8Array.from(relaxedProbe));
}

/** Unpacks and compiles the kernels for a shared or an ordinary memory. */
export async function compileKernels(options: { relaxed: boolean; shared: boolean }): Promise<WebAssembly.Module> {
  const bytes = await inflate(options.relaxed ? relaxedKernels : plainKernels);
  const flag = options.relaxed ? relaxedSharedFlag : plainSharedFlag;
  // The limits' flags of the imported memory: 3 is shared with a maximum, 1 is not shared.
  if (!options.shared) bytes[flag] = 1;
  return WebAssembly.compile(bytes);
}

async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
