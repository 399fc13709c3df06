import { expectNumber } from '../arguments.js';
import type { SlotOptions, StatefulOptions } from '../backend.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { expectShape, sizeOf } from '../shape.js';
import { row, slice, type Tensor, tensorOf } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';

/** Which slot each batch row is, and how many of its positions count. */
export interface Slots {
  readonly slotOf: readonly number[];
  readonly counts: readonly number[];
}

/** Reads and checks `rows` and `lengths` of a batch of b rows of l positions. @throws ShapeError, ArgumentError */
export function slotsOf(
  memory: Memory,
  { b, l, slots }: { b: number; l: number; slots: number },
  { rows, lengths }: SlotOptions<Block>,
): Slots {
  memory.integers({ rows, lengths });
  if (rows) expectShape('rows', rows, [b]);
  if (lengths) expectShape('lengths', lengths, [b]);
  if (!rows && b > slots) {
    throw new ShapeError('more rows than slots', { given: `${b} rows`, expected: `at most ${slots}` });
  }
  const slotOf = rows ? [...memory.values(rows)] : Array.from({ length: b }, (_, i) => i);
  for (const slot of slotOf) expectNumber('rows', slot, { min: 0, max: slots - 1, integer: true });
  if (new Set(slotOf).size !== b) {
    throw new ArgumentError('rows name a slot twice', { given: slotOf.join(', '), expected: 'each slot at most once' });
  }
  const counts = lengths ? [...memory.values(lengths)] : Array.from({ length: b }, () => l);
  for (const count of counts) expectNumber('lengths', count, { min: 0, max: l, integer: true });
  return { slotOf, counts };
}

/** Where a stateful operation begins and where it leaves its states. */
export interface States extends Slots {
  /** The states of the batch's rows, out of their slots: a view where these follow one another. Undefined to begin from zeros. */
  initial(): Tensor<Block> | undefined;
  /** Puts the rows' new states, in the batch's order, into their slots. */
  keep(states: Float64Array): void;
}

/**
 * Checks a stateful operation's state, slots and lengths, all before anything is computed.
 * @param axes the batch's axes and the shape of one slot's state
 * @param inputs what the operation reads: `stateOut` must share memory with none of it
 * @throws ShapeError, ArgumentError
 */
export function statesOf(
  memory: Memory,
  axes: { b: number; l: number; state: readonly number[] },
  inputs: Readonly<Record<string, RefTensor | undefined>>,
  state: RefTensor | undefined,
  { stateOut = state, rows, lengths }: StatefulOptions<Block>,
): States {
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
  const slots = slotsOf(memory, { ...axes, slots: found['slots'] ?? axes.b }, { rows, lengths });
  const size = sizeOf(axes.state);
  return {
    ...slots,
    initial() {
      if (!state) return undefined;
      const first = slots.slotOf[0] ?? 0;
      if (slots.slotOf.every((slot, i) => slot === first + i)) return slice(state, 0, first, first + axes.b);
      const gathered = new Float64Array(axes.b * size);
      slots.slotOf.forEach((slot, i) => gathered.set(memory.values(row(state, slot)), i * size));
      return tensorOf(gathered, 'f64', [axes.b, ...axes.state]);
    },
    keep(states) {
      if (!stateOut) return;
      slots.slotOf.forEach((slot, i) => memory.write(row(stateOut, slot), states.subarray(i * size, (i + 1) * size)));
    },
  };
}
