/** Where tensors begin: behind the kernels' static data and the words by which threads meet (assembly/threads.ts). */
export const FIRST_FREE = 65536;
/** What WebAssembly's 32-bit addresses reach. */
export const ADDRESS_LIMIT = 2 ** 32;
export const PAGE = 65536;
