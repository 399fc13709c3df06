import { CheckpointError, UnsupportedError } from '@mamba2/core';
import { decodeUtf8, type RandomAccessFile, readWhole, refuseGitLfsPointer } from './file.js';
import { unpickle } from './pickle.js';
import { describePickle, PickleDict, type PickleValue, unsafeFix } from './pickle-values.js';
import { shown } from './shown.js';
import { stridedTensor } from './strided.js';
import { expectSize, fileBytesPerElement, type TensorEntry } from './tensor-entry.js';
import { StateDictHost, TorchTensor } from './torch-host.js';
import { openZip } from './zip.js';

/** The longest pickle that is read: that of a 2.7B model takes 100 KB. */
const pickleLimit = 32 << 20;

/**
 * Reads the directory of a file that `torch.save` wrote (torch 1.6 and later): a ZIP of `data.pkl`, which describes the tensors, and
 * `data/KEY`, each the bytes of a storage. A state dict may stand alone or under the key `state_dict`. Tensors are read later.
 * @throws CheckpointError for anything that is not a dict of tensors; UnsupportedError for the older torch format, TorchScript and big-endian files
 */
export async function openTorch(file: RandomAccessFile, signal?: AbortSignal): Promise<Map<string, TensorEntry>> {
  await refuseOtherFormats(file, signal);
  const archive = await openZip(file, signal);
  const root = rootOf(file.name, archive);
  await expectLittleEndian(file.name, archive.get(`${root}byteorder`), signal);

  const pickle = archive.get(`${root}data.pkl`)!;
  const bytes = (await readWhole(pickle, pickleLimit, signal))!;
  const value = unpickle(pickle.name, bytes, new StateDictHost(pickle.name));
  const entries = new Map<string, TensorEntry>();
  for (const [name, tensor] of stateDict(pickle.name, value).entries) {
    if (typeof name !== 'string' || !(tensor instanceof TorchTensor)) {
      const given = `${describePickle(name)}: ${describePickle(tensor)}`;
      throw new CheckpointError(`${pickle.name} is not a dict of tensors`, {
        given,
        expected: 'a tensor under every name',
        fix: unsafeFix,
      });
    }
    entries.set(name, await tensorEntry(file.name, archive, root, name, tensor, signal));
  }
  return entries;
}

function stateDict(name: string, value: PickleValue): PickleDict {
  const inner = value instanceof PickleDict ? value.entries.get('state_dict') : undefined;
  if (inner instanceof PickleDict) return inner;
  if (value instanceof PickleDict) return value;
  throw new CheckpointError(`${name} is not a state dict`, {
    given: describePickle(value),
    expected: 'a dict of tensors',
    fix: unsafeFix,
  });
}

async function tensorEntry(
  fileName: string,
  archive: ReadonlyMap<string, RandomAccessFile>,
  root: string,
  name: string,
  { storage, offset, shape, strides }: TorchTensor,
  signal?: AbortSignal,
): Promise<TensorEntry> {
  const data = archive.get(`${root}data/${storage.key}`);
  if (!data)
    throw new CheckpointError(
      `${fileName}: tensor ${shown(name)} lies in storage ${shown(storage.key)}, which is missing`,
    );
  const [size, expected] = [await data.size(signal), storage.length * fileBytesPerElement[storage.dtype]];
  if (size !== expected) {
    throw new CheckpointError(`${data.name} has the wrong length`, {
      given: `${size} bytes`,
      expected: `${expected} bytes for ${storage.length} elements of ${storage.dtype}`,
    });
  }
  return stridedTensor({ name, dtype: storage.dtype, shape, strides, offset, storage: data, length: storage.length });
}

/** The folder inside the archive: the archive's name when it was saved. */
function rootOf(name: string, archive: ReadonlyMap<string, RandomAccessFile>): string {
  const roots = [...archive.keys()]
    .filter((path) => /^[^/]+\/data\.pkl$/.test(path))
    .map((path) => path.slice(0, -'data.pkl'.length));
  if (roots.length !== 1) {
    throw new CheckpointError(`${name} is not what torch.save writes`, {
      given: `${roots.length} entries called data.pkl`,
      expected: 'one',
    });
  }
  if (archive.has(`${roots[0]}constants.pkl`)) {
    throw new UnsupportedError(`${name} is a TorchScript archive, which holds code`, {
      fix: 'save its state_dict() with torch.save',
    });
  }
  return roots[0]!;
}

async function expectLittleEndian(
  name: string,
  file: RandomAccessFile | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const size = (await file?.size(signal)) ?? 0;
  const order = file && size > 0 && size < 16 ? decodeUtf8(file.name, await file.read(0, size, signal)) : undefined;
  if (!file || order === 'little') return;
  throw new UnsupportedError(`${name} was saved in an unknown byte order`, {
    given: order === undefined ? `${size} bytes` : shown(order),
    expected: 'little',
    fix: 'save it on a little-endian machine',
  });
}

/** How files of torch before 1.6 begin: a pickle of this magic number. */
const legacyMagic = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

async function refuseOtherFormats(file: RandomAccessFile, signal?: AbortSignal): Promise<void> {
  const size = await expectSize(file, 'add it to the checkpoint', signal);
  const head = await file.read(0, Math.min(size, 64), signal);
  refuseGitLfsPointer(file.name, head);
  if (head[0] === 0x80 && legacyMagic.every((byte, i) => head[2 + i] === byte)) {
    throw new UnsupportedError(`${file.name} is in the format of torch before 1.6, which is not a ZIP archive`, {
      fix: 'load it in torch and save it again: torch.save(torch.load(path, weights_only=True), path)',
    });
  }
}
