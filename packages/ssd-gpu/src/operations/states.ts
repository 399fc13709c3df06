import { ArgumentError, expectShape, ShapeError, type SlotOptions, type StatefulOptions } from '@mamba2/core';
import { keepSlots as keepSlotsSource, rows as rowsLibrary } from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { copy } from './copy.js';
import { type Place, placeOf } from './views.js';

/** A stateful operation's state as its kernels take it: they read and write one tensor in place. */
export interface Slots {
  /** The state's buffer, or one to bind in its place. */
  readonly block: Block;
  readonly place: Place;
  readonly rows: GpuTensor | undefined;
  readonly lengths: GpuTensor | undefined;
  readonly constants: { readonly STATE: boolean; readonly ROWS: boolean; readonly LENGTHS: boolean };
  readonly offsets: { readonly rows_offset: number; readonly lengths_offset: number };
  /** To be called behind the kernels: brings the new states where they belong. */
  finish(): void;
}

/**
 * Checks a stateful operation's state, slots and lengths before anything is queued. Where the new state goes elsewhere, the batch's slots work on
 * a copy: every other slot of `stateOut` stays as it is.
 * @param axes the batch's rows and the shape of one slot's state
 * @param inputs what the operation reads: the new state must share memory with none of it
 * @throws ShapeError, ArgumentError, DeviceError
 */
export function slotsOf(
  gpu: Gpu,
  axes: { b: number; state: readonly number[] },
  inputs: Readonly<Record<string, GpuTensor | undefined>>,
  state: GpuTensor | undefined,
  { stateOut = state, rows, lengths }: StatefulOptions<Block>,
): Slots {
  gpu.memory.use('f32', { state, stateOut });
  gpu.memory.use('i32', { rows, lengths });
  const found: Record<string, number> = {};
  if (state) expectShape('state', state, ['slots', ...axes.state], found);
  if (stateOut) expectShape('stateOut', stateOut, ['slots', ...axes.state], found);
  const slots = found['slots'] ?? axes.b;
  expectSlots(axes.b, slots, { rows, lengths });
  const inPlace = state?.data === stateOut?.data && state?.offset === stateOut?.offset;
  for (const [name, t] of Object.entries({ ...inputs, rows, lengths, ...(!inPlace && { state }) })) {
    if (!t || t.data !== stateOut?.data) continue;
    throw new ArgumentError(`the new state would share memory with ${name}`, {
      fix: 'give stateOut memory of its own, or leave it out to update the state in place',
    });
  }
  const working = inPlace ? state : workingCopy(gpu, state, axes.state, slots);
  return {
    block: working?.data ?? gpu.scratch,
    place: placeOf(working),
    rows,
    lengths,
    constants: { STATE: working !== undefined, ROWS: rows !== undefined, LENGTHS: lengths !== undefined },
    offsets: { rows_offset: rows?.offset ?? 0, lengths_offset: lengths?.offset ?? 0 },
    finish() {
      if (!inPlace) keepSlots(gpu, working!, stateOut!, axes.b, rows);
    },
  };
}

/** @throws ShapeError unless `rows` and `lengths` name a batch of b, and there is a slot for each of its rows */
export function expectSlots(b: number, slots: number, { rows, lengths }: SlotOptions<Block>): void {
  if (rows) expectShape('rows', rows, [b]);
  if (lengths) expectShape('lengths', lengths, [b]);
  if (!rows && b > slots) {
    throw new ShapeError('more rows than slots', { given: `${b} rows`, expected: `at most ${slots}` });
  }
}

/** The old states where the kernels may write. */
function workingCopy(gpu: Gpu, state: GpuTensor | undefined, shape: readonly number[], slots: number): GpuTensor {
  const working = gpu.make([slots, ...shape]);
  if (state) copy(gpu, state, working);
  else gpu.queue.push({ kind: 'clear', block: working.data });
  return working;
}

const keepKernel: Kernel = {
  name: 'keep-slots',
  flags: ['ROWS'],
  source: keepSlotsSource,
  variants: [{ name: 'portable', libraries: () => [rowsLibrary] }],
};

/** Copies the slots that the batch's rows name, and no others. */
function keepSlots(gpu: Gpu, from: GpuTensor, to: GpuTensor, b: number, rows: GpuTensor | undefined): void {
  const [, d0 = 1, d1 = 1, d2 = 1] = to.shape;
  const [width, inner, outer] = to.shape.length === 4 ? [d2, d1, d0] : [d1, d0, 1];
  const place = (t: GpuTensor) => (t.shape.length === 4 ? placeOf(t) : [t.offset, t.strides[0]!, 0, t.strides[1]!]);
  gpu.launch({
    kernel: keepKernel,
    constants: { ROWS: rows !== undefined },
    buffers: { source: from.data, rows: rows?.data, target_: to.data },
    params: { source: place(from), target_: place(to), width, inner, rows_offset: rows?.offset ?? 0 },
    grid: [Math.ceil(width / 64), inner * outer, b],
  });
}
