import { DeviceError } from '@mamba2/core';
import { ADDRESS_LIMIT, FIRST_FREE } from '../device/addresses.js';
import type { Device } from '../device/device.js';

/** Bytes behind the last tensor that kernels may read, not use: vectors that reach past a row's end. */
const SLACK = 1024;

/** Bytes that tensors can have at most. */
export function mostBytes({ limit }: Device): number {
  return limit - FIRST_FREE - SLACK;
}

/** Makes a device's memory reach up to `end`. @throws DeviceError where it can't, naming what would take less */
export function reach(device: Device, end: number): void {
  const fix =
    "load with dtype: 'q8', which takes 1.06 bytes a number, or 'q4', which takes 0.56; or free what is no longer needed";
  const given = `${((end - FIRST_FREE) / 2 ** 30).toFixed(2)} GiB in all`;
  const { limit } = device;
  if (end + SLACK > limit) {
    const most = `${limit / 2 ** 30} GiB`;
    const what =
      limit === ADDRESS_LIMIT ? `WebAssembly reaches ${most} of memory` : `this platform gives ${most} at most`;
    throw new DeviceError(what, { given, expected: `at most ${most}`, fix });
  }
  try {
    device.grow(end + SLACK);
  } catch (cause) {
    throw new DeviceError('the platform gives no more memory', { given, fix, cause });
  }
}
