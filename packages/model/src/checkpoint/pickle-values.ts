import { quoted } from './shown.js';

/** A Python tuple. */
export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A Python list. */
export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A Python dict, OrderedDict included. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();
}

/** What a host makes: opaque to the machine. */
export abstract class PickleObject {
  /** What messages call it. */
  abstract readonly kind: string;
}

export type PickleValue = null | boolean | number | string | PickleTuple | PickleList | PickleDict | PickleObject;

/** What to do about a pickle that asks for more than tensors. */
export const unsafeFix = "save the model's state_dict() alone, or as safetensors, and load that";

/** A value in a few words, for messages. */
export function describePickle(value: PickleValue): string {
  if (typeof value === 'string') return quoted(value);
  if (value instanceof PickleObject) return value.kind;
  if (value instanceof PickleTuple) return `a tuple of ${value.items.length}`;
  if (value instanceof PickleList) return `a list of ${value.items.length}`;
  if (value instanceof PickleDict) return `a dict of ${value.entries.size}`;
  return String(value);
}
