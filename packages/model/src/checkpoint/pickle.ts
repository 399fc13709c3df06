import { CheckpointError } from '@mamba2/core';
import { decodeUtf8 } from './file.js';
import {
  describePickle,
  PickleDict,
  PickleList,
  type PickleObject,
  PickleTuple,
  type PickleValue,
  unsafeFix,
} from './pickle-values.js';

/** The only things outside a pickle that it can reach. Each throws a CheckpointError for whatever it doesn't know. */
export interface PickleHost {
  /** What `module.name` stands for. */
  global(module: string, name: string): PickleObject;
  /** The result of calling a global. */
  call(callable: PickleValue, args: readonly PickleValue[]): PickleValue;
  /** Gives an object its attributes. */
  build(object: PickleValue, state: PickleValue): void;
  /** The object that a persistent id stands for. */
  persistent(id: PickleValue): PickleValue;
}

/** Beyond these a pickle is no state dict: one of 10,000 tensors takes some 600,000 steps. */
const stepLimit = 1_000_000;

/**
 * Runs a pickle (Python's `pickletools` documents the opcodes) on a stack machine that knows data and nothing else: numbers, text, tuples,
 * lists, dicts, and what `host` gives for globals, calls and persistent ids. Opcodes that build other objects are refused by name. There is
 * no recursion, and each step makes at most one value, so time and memory are bounded by the pickle's length.
 * @throws CheckpointError naming the file, the byte and what was found there
 */
export function unpickle(name: string, bytes: Uint8Array, host: PickleHost): PickleValue {
  return new Machine(name, bytes, host).run();
}

class Machine {
  private at = 0;
  private readonly stack: PickleValue[] = [];
  /** Stack heights at which open groups begin. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;

  constructor(
    private readonly name: string,
    private readonly bytes: Uint8Array,
    private readonly host: PickleHost,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PickleValue {
    for (let step = 0; step < stepLimit; step++) {
      const start = this.at;
      const opcode = this.bytes[this.take(1)]!;
      if (opcode === STOP) return this.finish();
      const isKnown =
        this.number(opcode) ||
        this.text(opcode) ||
        this.container(opcode) ||
        this.memory(opcode) ||
        this.object(opcode);
      if (!isKnown) throw this.refusal(opcode, start);
    }
    throw this.error('is no state dict', `more than ${stepLimit} steps`);
  }

  /** Reserves the next `count` bytes and returns where they begin. */
  private take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw this.error('is cut short', `${this.bytes.length} bytes`);
    this.at = start + count;
    return start;
  }

  private skip(count: number): true {
    this.take(count);
    return true;
  }

  private finish(): PickleValue {
    const value = this.pop();
    if (this.stack.length > 0 || this.marks.length > 0) throw this.error('is damaged', 'values left over at its end');
    return value;
  }

  private push(value: PickleValue): true {
    this.stack.push(value);
    return true;
  }

  private pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0))
      throw this.error('is damaged', `nothing on the stack at byte ${this.at - 1}`);
    return this.stack.pop()!;
  }

  private popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  private mark(): true {
    this.marks.push(this.stack.length);
    return true;
  }

  /** Everything above the last mark. */
  private popGroup(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.error('is damaged', `no open group at byte ${this.at - 1}`);
    return this.stack.splice(mark);
  }

  // prettier-ignore
  private number(opcode: number): boolean {
    switch (opcode) {
      case 0x4e: return this.push(null); // NONE
      case 0x88: return this.push(true); // NEWTRUE
      case 0x89: return this.push(false); // NEWFALSE
      case 0x4a: return this.push(this.view.getInt32(this.take(4), true)); // BININT
      case 0x4b: return this.push(this.view.getUint8(this.take(1))); // BININT1
      case 0x4d: return this.push(this.view.getUint16(this.take(2), true)); // BININT2
      case 0x47: return this.push(this.view.getFloat64(this.take(8), false)); // BINFLOAT
      case 0x8a: return this.push(this.long()); // LONG1
      default: return false;
    }
  }

  /** A two's complement integer, little-endian; beyond 2⁵³ it is no size and no offset. */
  private long(): number {
    const length = this.view.getUint8(this.take(1));
    const start = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[start + i]!);
    const number = Number(BigInt.asIntN(8 * length, value));
    if (!Number.isSafeInteger(number))
      throw this.error('holds an integer that is no size', `${length} bytes at byte ${start}`);
    return number;
  }

  // prettier-ignore
  private text(opcode: number): boolean {
    switch (opcode) {
      case 0x8c: return this.push(this.utf8(this.view.getUint8(this.take(1)))); // SHORT_BINUNICODE
      case 0x58: return this.push(this.utf8(this.view.getUint32(this.take(4), true))); // BINUNICODE
      default: return false;
    }
  }

  private utf8(length: number): string {
    const start = this.take(length);
    return decodeUtf8(`a string in ${this.name}`, this.bytes.subarray(start, start + length));
  }

  // prettier-ignore
  private container(opcode: number): boolean {
    switch (opcode) {
      case 0x28: return this.mark(); // MARK
      case 0x29: return this.push(new PickleTuple([])); // EMPTY_TUPLE
      case 0x85: return this.push(new PickleTuple(this.popMany(1))); // TUPLE1
      case 0x86: return this.push(new PickleTuple(this.popMany(2))); // TUPLE2
      case 0x87: return this.push(new PickleTuple(this.popMany(3))); // TUPLE3
      case 0x74: return this.push(new PickleTuple(this.popGroup())); // TUPLE
      case 0x5d: return this.push(new PickleList()); // EMPTY_LIST
      case 0x61: return this.append(this.popMany(1)); // APPEND
      case 0x65: return this.append(this.popGroup()); // APPENDS
      case 0x7d: return this.push(new PickleDict()); // EMPTY_DICT
      case 0x73: return this.setItems(this.popMany(2)); // SETITEM
      case 0x75: return this.setItems(this.popGroup()); // SETITEMS
      default: return false;
    }
  }

  private append(items: readonly PickleValue[]): true {
    const list = this.pop();
    if (!(list instanceof PickleList)) throw this.error('is damaged', `items for ${describePickle(list)}, not a list`);
    for (const item of items) list.items.push(item);
    return this.push(list);
  }

  private setItems(items: readonly PickleValue[]): true {
    const dict = this.pop();
    if (!(dict instanceof PickleDict)) throw this.error('is damaged', `keys for ${describePickle(dict)}, not a dict`);
    if (items.length % 2 !== 0) throw this.error('is damaged', 'a key without a value');
    for (let i = 0; i < items.length; i += 2) {
      if (dict.entries.has(items[i]!)) throw this.error('gives a key twice', describePickle(items[i]!));
      dict.entries.set(items[i]!, items[i + 1]!);
    }
    return this.push(dict);
  }

  // prettier-ignore
  private memory(opcode: number): boolean {
    switch (opcode) {
      case 0x80: return this.protocol(this.view.getUint8(this.take(1))); // PROTO
      case 0x95: return this.skip(8); // FRAME: a hint for readers of streams
      case 0x71: return this.remember(this.view.getUint8(this.take(1))); // BINPUT
      case 0x72: return this.remember(this.view.getUint32(this.take(4), true)); // LONG_BINPUT
      case 0x94: return this.remember(this.memo.size); // MEMOIZE
      case 0x68: return this.recall(this.view.getUint8(this.take(1))); // BINGET
      case 0x6a: return this.recall(this.view.getUint32(this.take(4), true)); // LONG_BINGET
      default: return false;
    }
  }

  private protocol(version: number): true {
    if (version >= 2 && version <= 5) return true;
    throw this.error('is of a pickle protocol that torch does not write', `protocol ${version}`);
  }

  private remember(index: number): true {
    const value = this.pop();
    this.memo.set(index, value);
    return this.push(value);
  }

  private recall(index: number): true {
    const value = this.memo.get(index);
    if (value === undefined) throw this.error('is damaged', `a reference to memo ${index}, which is empty`);
    return this.push(value);
  }

  // prettier-ignore
  private object(opcode: number): boolean {
    switch (opcode) {
      case 0x63: return this.push(this.host.global(this.line(), this.line())); // GLOBAL
      case 0x93: return this.stackGlobal(); // STACK_GLOBAL
      case 0x51: return this.push(this.host.persistent(this.pop())); // BINPERSID
      case 0x52: return this.reduce(); // REDUCE
      case 0x62: return this.build(); // BUILD
      default: return false;
    }
  }

  private line(): string {
    const start = this.at;
    const end = this.bytes.indexOf(0x0a, start);
    if (end < 0) throw this.error('is cut short', 'a name without an end');
    this.at = end + 1;
    return decodeUtf8(`a name in ${this.name}`, this.bytes.subarray(start, end));
  }

  private stackGlobal(): true {
    const [module, name] = this.popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.error('is damaged', 'a global whose name is no text');
    return this.push(this.host.global(module, name));
  }

  private reduce(): true {
    const [callable, args] = this.popMany(2);
    if (!(args instanceof PickleTuple))
      throw this.error('is damaged', `a call with ${describePickle(args!)}, not a tuple`);
    return this.push(this.host.call(callable!, args.items));
  }

  private build(): true {
    const [object, state] = this.popMany(2);
    this.host.build(object!, state!);
    return this.push(object!);
  }

  private refusal(opcode: number, start: number): CheckpointError {
    const name = refusedOpcodes[opcode];
    const given = `${name ?? 'opcode'} (0x${opcode.toString(16).padStart(2, '0')}) at byte ${start}`;
    return this.error(name ? 'builds something that is neither a tensor nor plain data' : 'is damaged', given);
  }

  private error(problem: string, given: string): CheckpointError {
    return new CheckpointError(`${this.name} ${problem}`, {
      given,
      expected: 'a state dict of tensors',
      fix: unsafeFix,
    });
  }
}

const STOP = 0x2e;

/** Opcodes that pickles of other things use, by their names in `pickletools`. */
// prettier-ignore
const refusedOpcodes: Readonly<Record<number, string>> = {
  0x49: 'INT', 0x4c: 'LONG', 0x46: 'FLOAT', 0x53: 'STRING', 0x54: 'BINSTRING', 0x55: 'SHORT_BINSTRING', 0x56: 'UNICODE',
  0x42: 'BINBYTES', 0x43: 'SHORT_BINBYTES', 0x8e: 'BINBYTES8', 0x8d: 'BINUNICODE8', 0x96: 'BYTEARRAY8', 0x97: 'NEXT_BUFFER', 0x98: 'READONLY_BUFFER',
  0x8b: 'LONG4', 0x8f: 'EMPTY_SET', 0x90: 'ADDITEMS', 0x91: 'FROZENSET', 0x6c: 'LIST', 0x64: 'DICT', 0x30: 'POP', 0x31: 'POP_MARK', 0x32: 'DUP',
  0x67: 'GET', 0x70: 'PUT', 0x50: 'PERSID', 0x69: 'INST', 0x6f: 'OBJ', 0x81: 'NEWOBJ', 0x92: 'NEWOBJ_EX', 0x82: 'EXT1', 0x83: 'EXT2', 0x84: 'EXT4',
};
