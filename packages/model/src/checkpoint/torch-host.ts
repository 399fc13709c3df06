import { CheckpointError } from '@mamba2/core';
import type { PickleHost } from './pickle.js';
import { describePickle, PickleDict, PickleObject, PickleTuple, type PickleValue, unsafeFix } from './pickle-values.js';
import { quoted, shown } from './shown.js';
import type { FileDType } from './tensor-entry.js';

/** A callable that state dicts name. */
class Callable extends PickleObject {
  constructor(readonly kind: string) {
    super();
  }
}

/** `torch.FloatStorage` and its kin: a storage's element type. */
class StorageType extends PickleObject {
  constructor(
    readonly kind: string,
    readonly dtype: FileDType,
  ) {
    super();
  }
}

/** A run of elements of one type, kept in an archive entry of its own. */
class Storage extends PickleObject {
  readonly kind = 'a storage';
  constructor(
    readonly key: string,
    readonly dtype: FileDType,
    /** Elements. */
    readonly length: number,
  ) {
    super();
  }
}

/** A view of a storage. */
export class TorchTensor extends PickleObject {
  readonly kind = 'a tensor';
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }
}

// prettier-ignore
const storageTypes: Readonly<Record<string, FileDType>> = {
  FloatStorage: 'f32', HalfStorage: 'f16', BFloat16Storage: 'bf16', DoubleStorage: 'f64', IntStorage: 'i32', LongStorage: 'i64',
  ShortStorage: 'i16', CharStorage: 'i8', ByteStorage: 'u8', BoolStorage: 'bool', ComplexFloatStorage: 'c64', ComplexDoubleStorage: 'c128',
};

const orderedDict = 'collections.OrderedDict';
const rebuildTensor = 'torch._utils._rebuild_tensor_v2';
const rebuildParameter = 'torch._utils._rebuild_parameter';

/** What a state dict's pickle may reach: ordered dicts, storages, and the two functions that make tensors and parameters of them. */
export class StateDictHost implements PickleHost {
  private readonly storages = new Map<string, Storage>();

  constructor(private readonly name: string) {}

  global(module: string, name: string): PickleObject {
    const full = `${module}.${name}`;
    if (module === 'torch' && Object.hasOwn(storageTypes, name)) return new StorageType(full, storageTypes[name]!);
    if (full === orderedDict || full === rebuildTensor || full === rebuildParameter) return new Callable(full);
    throw this.error(`asks for ${quoted(full)}`, 'nothing but tensors, which need no other function');
  }

  call(callable: PickleValue, args: readonly PickleValue[]): PickleValue {
    const kind = callable instanceof Callable ? callable.kind : undefined;
    if (kind === orderedDict && args.length === 0) return new PickleDict();
    if (kind === rebuildTensor) return this.rebuildTensor(args);
    if (kind === rebuildParameter && args.length === 3 && args[0] instanceof TorchTensor) return args[0];
    throw this.error(
      `calls ${describePickle(callable)} with ${args.length} arguments`,
      `${orderedDict}(), or a tensor's parts`,
    );
  }

  /** A module's state dict carries the versions of its layers as an attribute; they say nothing about its tensors. */
  build(object: PickleValue, state: PickleValue): void {
    if (object instanceof PickleDict && state instanceof PickleDict) return;
    throw this.error(`gives attributes to ${describePickle(object)}`, 'attributes of a dict only');
  }

  /** `('storage', type, key, device, elements)`; a storage that several tensors share comes several times. */
  persistent(id: PickleValue): PickleValue {
    const [tag, type, key, , length] = id instanceof PickleTuple ? id.items : [];
    if (tag !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(length)) {
      throw this.error('has a persistent id of an unknown kind', "('storage', type, key, device, elements)");
    }
    const storage = this.storages.get(key) ?? new Storage(key, type.dtype, length);
    if (storage.dtype !== type.dtype || storage.length !== length)
      throw this.error(`describes storage ${shown(key)} in two ways`, 'one');
    this.storages.set(key, storage);
    return storage;
  }

  /** `(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])` */
  private rebuildTensor([storage, offset, size, stride, , , metadata, ...rest]: readonly PickleValue[]): TorchTensor {
    const shape = counts(size);
    const strides = counts(stride);
    const plain =
      rest.length === 0 &&
      (metadata === undefined || metadata === null || (metadata instanceof PickleDict && metadata.entries.size === 0));
    if (
      !(storage instanceof Storage) ||
      !isCount(offset) ||
      !shape ||
      !strides ||
      shape.length !== strides.length ||
      !plain
    ) {
      throw this.error(
        'describes a tensor in an unknown way',
        'a storage, an offset, sizes and strides of the same number, all ≥ 0',
      );
    }
    return new TorchTensor(storage, offset, shape, strides);
  }

  private error(problem: string, expected: string): CheckpointError {
    return new CheckpointError(`${this.name} ${problem}`, { expected, fix: unsafeFix });
  }
}

const isCount = (value: PickleValue | undefined): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

function counts(value: PickleValue | undefined): number[] | undefined {
  return value instanceof PickleTuple && value.items.length <= 64 && value.items.every(isCount)
    ? [...(value.items as number[])]
    : undefined;
}
