import { ArgumentError, expectShape, ShapeError, type SlotOptions, type StatefulOptions } from '@mamba2/core';
import type { Block, CpuTensor } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { addressOf } from '../memory/views.js';

/** The fields by which commands name slots and lengths; their numbers are held within range on the device. */
export interface SlotFields {
  readonly rows: number;
  readonly lengths: number;
  readonly slots: number;
}

/** Checks `rows` and `lengths` of a batch of b rows over a number of slots. @throws ShapeError */
export function slotFields(
  memory: Memory,
  b: number,
  slots: number,
  { rows, lengths }: SlotOptions<Block>,
): SlotFields {
  memory.integers({ rows, lengths });
  if (rows) expectShape('rows', rows, [b]);
  if (lengths) expectShape('lengths', lengths, [b]);
  if (rows ? slots < 1 : b > slots) {
    throw new ShapeError('more rows than slots', { given: `${b} rows`, expected: `at most ${slots}` });
  }
  return { rows: addressOf(rows), lengths: addressOf(lengths), slots };
}

/**
 * Checks a stateful operation's state, slots and lengths.
 * @param axes the number of batch rows and the shape of one slot's state
 * @param inputs what the operation reads: `stateOut` must share memory with none of it
 * @throws ShapeError, ArgumentError
 */
export function stateFields(
  memory: Memory,
  axes: { b: number; state: readonly number[] },
  inputs: Readonly<Record<string, CpuTensor | undefined>>,
  state: CpuTensor | undefined,
  options: StatefulOptions<Block>,
): SlotFields & { stateOut: CpuTensor | undefined } {
  const { stateOut = state } = options;
  memory.floats({ state, stateOut });
  const found: Record<string, number> = {};
  if (state) expectShape('state', state, ['slots', ...axes.state], found);
  if (stateOut) expectShape('stateOut', stateOut, ['slots', ...axes.state], found);
  const inPlace = state?.data === stateOut?.data && state?.offset === stateOut?.offset;
  for (const [name, t] of Object.entries(inPlace ? inputs : { ...inputs, state })) {
    if (!t || t.data !== stateOut?.data) continue;
    throw new ArgumentError(`the new state would share memory with ${name}`, {
      fix: 'give stateOut memory of its own, or leave it out to update the state in place',
    });
  }
  return { ...slotFields(memory, axes.b, found['slots'] ?? axes.b, options), stateOut };
}
