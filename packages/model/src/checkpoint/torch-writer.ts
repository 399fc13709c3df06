import { crc32 } from './crc32.js';
import { UnsupportedError } from '@mamba2/core';

/** A tensor to be written: its bytes in row-major order, in pieces. */
export interface TorchTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
  pieces(): AsyncIterable<Uint8Array>;
}

/** A further name for a tensor of the list, which shares its storage. */
export interface TorchAlias {
  readonly name: string;
  readonly of: string;
}

const storages: Readonly<Record<string, string>> = {
  f64: 'DoubleStorage',
  f32: 'FloatStorage',
  f16: 'HalfStorage',
  bf16: 'BFloat16Storage',
};

/**
 * A state dict as `torch.save` writes it: a ZIP archive of a pickle that describes tensors and an entry of bytes for each storage (torch's
 * "Serialization semantics"; PKWARE's APPNOTE 4.3). Sizes are told in front, checksums behind each entry, so that nothing is read twice or held.
 */
export async function* torchArchive(
  tensors: readonly TorchTensor[],
  aliases: readonly TorchAlias[] = [],
): AsyncGenerator<Uint8Array, void> {
  const zip = new ZipWriter('archive');
  yield* zip.entry('data.pkl', one(statePickle(tensors, aliases)));
  yield* zip.entry('byteorder', one(text('little')));
  for (const [i, tensor] of tensors.entries()) yield* zip.entry(`data/${i}`, tensor.pieces(), tensor.byteLength);
  yield* zip.entry('version', one(text('3\n')));
  yield zip.end();
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

const text = (value: string) => new TextEncoder().encode(value);

/** `{ name: _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()), … }` in pickle's protocol 2. */
function statePickle(tensors: readonly TorchTensor[], aliases: readonly TorchAlias[]): Uint8Array {
  const out: Uint8Array[] = [Uint8Array.of(0x80, 2), text('}('), ...tensors.flatMap((t, i) => item(t.name, t, i))];
  for (const { name, of } of aliases) {
    const i = tensors.findIndex((t) => t.name === of);
    out.push(...item(name, tensors[i]!, i));
  }
  return joined([...out, text('u.')]);
}

function item(name: string, { dtype, shape }: TorchTensor, key: number): Uint8Array[] {
  const storage = storages[dtype];
  if (!storage) throw new UnsupportedError(`tensor ${name}: torch has no type ${dtype}`, { expected: 'floats' });
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const count = shape.reduce((a, b) => a * b, 1);
  return [
    unicode(name),
    text('ctorch._utils\n_rebuild_tensor_v2\n(('),
    unicode('storage'),
    text(`ctorch\n${storage}\n`),
    unicode(`${key}`),
    unicode('cpu'),
    int(count),
    text('tQ'),
    int(0),
    text('('),
    ...shape.map(int),
    text('t('),
    ...strides.map(int),
    text('t'),
    Uint8Array.of(0x89),
    text('ccollections\nOrderedDict\n)RtR'),
  ];
}

function unicode(value: string): Uint8Array {
  const bytes = text(value);
  return joined([little([0x58, 1], [bytes.length, 4]), bytes]);
}

/** An int of 4 bytes, or where that is too narrow of 8. */
function int(value: number): Uint8Array {
  return value < 2 ** 31 ? little([0x4a, 1], [value, 4]) : little([0x8a, 1], [8, 1], [value, 8]);
}

/** Where torch has data begin: multiples of this. */
const alignment = 64;

/** Writes stored entries one after another and the directory behind them. */
class ZipWriter {
  #at = 0;
  #count = 0;
  readonly #directory: Uint8Array[] = [];

  constructor(private readonly root: string) {}

  /** @param size the entry's bytes, where they come in pieces */
  async *entry(name: string, pieces: AsyncIterable<Uint8Array>, size?: number): AsyncGenerator<Uint8Array, void> {
    const raw = text(`${this.root}/${name}`);
    const start = this.#at;
    const padding = (alignment - ((start + 30 + raw.length + 4) % alignment)) % alignment;
    // Bit 3: checksum and sizes follow the data.
    const head = [
      [0x04034b50, 4],
      [20, 2],
      [8, 2],
      [0, 2],
      [0, 4],
      [0, 4],
      [0, 4],
      [0, 4],
      [raw.length, 2],
    ] as Field[];
    yield this.#moved(
      joined([little(...head, [4 + padding, 2]), raw, text('FB'), little([padding, 2]), new Uint8Array(padding)]),
    );
    let crc = 0;
    let bytes = 0;
    for await (const piece of pieces) {
      crc = crc32(piece, crc);
      bytes += piece.byteLength;
      yield this.#moved(piece);
    }
    if ((size ?? bytes) !== bytes || bytes > 0xffffffff) {
      throw new UnsupportedError(`entry ${name} can't be written`, {
        given: `${bytes} bytes`,
        expected: `${size ?? 'at most 4 GiB'}`,
      });
    }
    yield this.#moved(little([0x08074b50, 4], [crc, 4], [bytes, 4], [bytes, 4]));
    this.#list(raw, start, crc, bytes);
  }

  #list(raw: Uint8Array, start: number, crc: number, bytes: number): void {
    this.#count++;
    const far = start > 0xfffffffe;
    const extra = far ? little([1, 2], [8, 2], [start, 8]) : new Uint8Array(0);
    this.#directory.push(
      little([0x02014b50, 4], [45, 2], [far ? 45 : 20, 2], [8, 2], [0, 2], [0, 4], [crc, 4], [bytes, 4], [bytes, 4]),
      little([raw.length, 2], [extra.length, 2], [0, 2], [0, 2], [0, 2], [0, 4], [far ? 0xffffffff : start, 4]),
      raw,
      extra,
    );
  }

  /** The directory and the archive's end, always with ZIP64's records: readers that know them need no other. */
  end(): Uint8Array {
    const directory = joined(this.#directory);
    const [start, size, count] = [this.#at, directory.length, this.#count];
    return joined([
      directory,
      little([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4], [count, 8], [count, 8], [size, 8], [start, 8]),
      little([0x07064b50, 4], [0, 4], [start + size, 8], [1, 4]),
      little([0x06054b50, 4], [0, 4], [0xffff, 2], [0xffff, 2], [0xffffffff, 4], [0xffffffff, 4], [0, 2]),
    ]);
  }

  #moved(bytes: Uint8Array): Uint8Array {
    this.#at += bytes.byteLength;
    return bytes;
  }
}

type Field = [value: number, width: 1 | 2 | 4 | 8];

/** Whole numbers, little-endian. */
function little(...fields: Field[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [, width]) => sum + width, 0));
  let at = 0;
  for (const [value, width] of fields) {
    for (let i = 0; i < width; i++) bytes[at++] = Math.floor(value / 2 ** (8 * i)) % 256;
  }
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
