import { type Backend, type KeyValueCache, rotaryTable, row, slice, type Tensor } from '@mamba2/core';
import type { AttentionConfig, MixerConfig, ModelConfig } from './config.js';

/** What one mixer remembers of its sequences. */
export interface MixerState<S> {
  /** The convolution's last inputs, (slots, dConv − 1, channels); none in attention without one. */
  conv?: Tensor<S>;
  /** (slots, h, p, n); Mamba-1: (slots, dInner, n). */
  ssm?: Tensor<S>;
  /** An attention layer's keys and values, (slots, capacity, g, p) each. */
  cache?: KeyValueCache<S>;
  /** The rotary turns of as many positions as the cache holds; one tensor for all layers. */
  turns?: Tensor<S>;
}

/** A model on its device, as far as states concern it. */
interface Owner<S> {
  readonly backend: Backend<S>;
  readonly config: ModelConfig;
}

/** Positions that the states of a hybrid hold beyond their prompt, unless told otherwise. */
export const ROOM = 2048;

/** Whether states grow with their sequence, so that they have a capacity. */
export function hasAttention({ layers }: ModelConfig): boolean {
  return layers.some(({ mixer }) => mixer.type === 'attention');
}

/** The shapes of the parts of one mixer's state whose size is fixed. */
export function fixedShapes(mixer: MixerConfig, slots: number): { conv?: number[]; ssm?: number[] } {
  if (mixer.type === 'mamba1') {
    return { conv: [slots, mixer.dConv - 1, mixer.dInner], ssm: [slots, mixer.dInner, mixer.dState] };
  }
  if (mixer.type === 'attention') {
    const { dConv, nheads: h, kvHeads: g, headdim: p } = mixer;
    return dConv > 0 ? { conv: [slots, dConv - 1, (h + 2 * g) * p] } : {};
  }
  const { dConv, dSsm, ngroups: g, dState: n, nheads: h, headdim: p } = mixer;
  return { conv: [slots, dConv - 1, dSsm + 2 * g * n], ssm: [slots, h, p, n] };
}

/**
 * States of zeros, one per layer.
 * @param capacity positions that attention layers can hold; without any it has no meaning
 */
export function zeroStates<S>({ backend, config }: Owner<S>, slots: number, capacity: number): MixerState<S>[] {
  const tables = new Map<string, Tensor<S>>();
  const turns = ({ dim, base }: NonNullable<AttentionConfig['rotary']>) => {
    const key = `${dim} ${base}`;
    const known = tables.get(key);
    if (known) return known;
    const { data, shape } = rotaryTable(capacity, dim, base);
    const table = backend.upload(data, shape);
    tables.set(key, table);
    return table;
  };
  const layer = (mixer: MixerConfig): MixerState<S> => {
    const { conv, ssm } = fixedShapes(mixer, slots);
    const fixed = { ...(conv && { conv: backend.zeros(conv) }), ...(ssm && { ssm: backend.zeros(ssm) }) };
    if (mixer.type !== 'attention') return fixed;
    const { kvHeads: g, headdim: p, rotary } = mixer;
    const held = () => backend.zeros([slots, capacity, g, p]);
    const cache = { keys: held(), values: held(), length: backend.zeros([slots], 'i32') };
    return { ...fixed, cache, ...(rotary && { turns: turns(rotary) }) };
  };
  // All or nothing: a large cache may not fit into memory.
  return backend.scope(() => config.layers.map(({ mixer }) => layer(mixer)));
}

/** Every tensor of states, each once. */
export function tensorsOf<S>(states: readonly MixerState<S>[]): Tensor<S>[] {
  const all = states.flatMap((state) => [...fixedParts(state), state.cache?.keys, state.cache?.values, state.turns]);
  return [...new Set(all)].filter((t) => t !== undefined);
}

/** What changes as a whole with every token. The keys and values that a cache holds never change: its length tells how many count. */
export function fixedParts<S>({ conv, ssm, cache }: MixerState<S>): Tensor<S>[] {
  return [conv, ssm, cache?.length].filter((t) => t !== undefined);
}

/** Copies one slot of states, which hold `length` positions, to another slot of others. */
export function copyStates<S>(
  { backend }: Owner<S>,
  from: readonly MixerState<S>[],
  to: readonly MixerState<S>[],
  { fromSlot, toSlot, length }: { fromSlot: number; toSlot: number; length: number },
): void {
  for (const [i, layer] of from.entries()) {
    const target = fixedParts(to[i]!);
    fixedParts(layer).forEach((t, part) => backend.copy(slotOf(t, fromSlot), slotOf(target[part]!, toSlot)));
    if (!layer.cache || length === 0) continue;
    for (const part of ['keys', 'values'] as const) {
      const held = (t: Tensor<S>, slot: number) => slice(row(t, slot), 0, 0, length);
      backend.copy(held(layer.cache[part], fromSlot), held(to[i]!.cache![part], toSlot));
    }
  }
}

/** One slot of a state; of a vector, one element as a vector of length 1. */
function slotOf<S>(t: Tensor<S>, slot: number): Tensor<S> {
  return t.shape.length === 1 ? slice(t, 0, slot, slot + 1) : row(t, slot);
}

/** A moment to go back to: a copy of all that a token changes, which leaves out the keys and values. */
export class Snapshot<S> {
  readonly #backend: Backend<S>;
  readonly #pairs: { readonly current: Tensor<S>; readonly kept: Tensor<S> }[];

  /** Takes the first one. */
  constructor({ backend }: Owner<S>, states: readonly MixerState<S>[]) {
    this.#backend = backend;
    this.#pairs = states.flatMap(fixedParts).map((current) => ({
      current,
      kept: backend.zeros(current.shape, current.dtype === 'i32' ? 'i32' : 'float'),
    }));
    this.keep();
  }

  /** Takes another one in its place. */
  keep(): void {
    for (const { current, kept } of this.#pairs) this.#backend.copy(current, kept);
  }

  /** Goes back, in one slot. */
  restore(slot: number): void {
    for (const { current, kept } of this.#pairs) this.#backend.copy(slotOf(kept, slot), slotOf(current, slot));
  }

  dispose(): void {
    this.#backend.free(...this.#pairs.map(({ kept }) => kept));
  }
}
