/** Where the control words begin, in bytes: behind the kernels' own static data; src/device/control.ts has the same number. */
export const CONTROL: usize = 16384;
