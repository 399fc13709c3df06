import type { Gpu } from '../runtime/context.js';
import type { GpuTensor } from '../runtime/memory.js';
import { isWide, nowhere, type Place } from './views.js';
import { type GpuWeight, STORAGE } from './weight.js';

/** A product, checked. */
export interface Product {
  readonly gpu: Gpu;
  readonly x: { readonly t: GpuTensor; readonly place: Place };
  readonly weight: GpuWeight;
  readonly bias: GpuTensor | undefined;
  readonly residual: { readonly t: GpuTensor; readonly place: Place } | undefined;
  readonly out: GpuTensor;
  readonly rows: number;
}

/** Constants, buffers and numbers of one part of the weight, whatever kernel multiplies. */
export function common({ x, weight, bias, residual, out, rows }: Product, part: number) {
  const { first, count, numbers, scales } = weight.rowParts[part]!;
  const [m, k] = weight.shape;
  return {
    constants: { STORED: STORAGE[weight.storage], TAIL: k % 16 !== 0, WIDE: isWide(x.t, k) },
    buffers: {
      x: x.t.data,
      weights: numbers,
      ...(scales && { scales }),
      bias: bias?.data,
      residual: residual?.t.data,
      out: out.data,
    },
    params: {
      x: x.place,
      inputs: k,
      octets: weight.octets,
      outputs: count,
      first_output: first,
      all_outputs: m,
      rows,
      bias_offset: bias?.offset ?? 0,
    },
    places: { residual: residual?.place ?? nowhere },
  };
}

/** Whether four neighbouring results, and what is added to them, are one load or store each. */
export function wideOut({ weight, bias, residual, out }: Product, part: number): boolean {
  const m = weight.shape[0];
  return (
    m % 4 === 0 &&
    weight.rowParts[part]!.first % 4 === 0 &&
    isWide(out, m) &&
    (!bias || isWide(bias, m)) &&
    (!residual || isWide(residual.t, m))
  );
}
