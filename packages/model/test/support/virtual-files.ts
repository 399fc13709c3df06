import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { safetensorsHead } from '../../src/checkpoint/safetensors-head.js';
import {
  concat,
  directoryEntry,
  encode,
  endRecords,
  localHeader,
  pickledDict,
  pickledTensor,
} from './checkpoint-files.js';

/** A part of a file: bytes, or how to make those from the part's byte `from` on. */
export type Part = Uint8Array | { readonly length: number; fill(into: Uint8Array, from: number): void };

/** A file of any size of which only what is read exists. */
export interface VirtualFile {
  readonly size: number;
  /** What it is made of, and where each part begins. */
  readonly parts: readonly { readonly start: number; readonly part: Part }[];
  /** At most a piece at a time. */
  pieces(start: number, end: number): Generator<Uint8Array<ArrayBuffer>, void, undefined>;
}

const pieceBytes = 1 << 20;

export function virtualFile(list: readonly Part[]): VirtualFile {
  let size = 0;
  const parts = list.map((part) => ({ part, start: (size += part.length) - part.length }));
  return {
    size,
    parts,
    *pieces(start, end) {
      for (let at = start; at < end; at += pieceBytes) {
        const piece = new Uint8Array(Math.min(pieceBytes, end - at));
        parts.forEach(({ part, start: own }) => {
          const [from, to] = [Math.max(at, own), Math.min(at + piece.length, own + part.length)];
          if (from >= to) return;
          const [into, inside] = [piece.subarray(from - at, to - at), from - own];
          if (part instanceof Uint8Array) into.set(part.subarray(inside, inside + into.length));
          else part.fill(into, inside);
        });
        yield piece;
      }
    },
  };
}

export function sha256(file: VirtualFile): string {
  const hash = createHash('sha256');
  for (const piece of file.pieces(0, file.size)) hash.update(piece);
  return hash.digest('hex');
}

/** `length` bytes of `table`, over and over, from byte `shift` on. */
export function repeated(table: Uint8Array, shift: number, length: number): Part {
  return {
    length,
    fill(into: Uint8Array, from: number) {
      for (let at = 0; at < into.length;) {
        const some = table.subarray((shift + from + at) % table.length).subarray(0, into.length - at);
        into.set(some, at);
        at += some.length;
      }
    },
  };
}

/** A tensor in half precision. */
export interface HalfTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Part;
}

export function halfSafetensors(tensors: readonly HalfTensor[]): VirtualFile {
  const list = tensors.map(({ name, shape, data }) => ({ name, type: 'F16', shape, byteLength: data.length }));
  return virtualFile([safetensorsHead(list, { format: 'pt' }), ...tensors.map(({ data }) => data)]);
}

/**
 * The archive that `torch.save` makes of a state dict, with sizes and places in ZIP64 fields, and a tied head under a name of its own.
 * @param checked whether a tensor's checksum is worked out, which takes reading it
 */
export function halfArchive(
  tensors: readonly HalfTensor[],
  tied: { readonly name: string; readonly of: string },
  checked: (name: string) => boolean = () => true,
): VirtualFile {
  const tensorOf = ({ shape }: HalfTensor, key: number) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    const elements = shape.reduce((a, b) => a * b, 1);
    return pickledTensor({ storage: 'HalfStorage', key: `${key}`, elements, shape: [...shape], strides });
  };
  const named = tensors.map((tensor, i) => [tensor.name, tensorOf(tensor, i)] as const);
  const alias = tensors.findIndex(({ name }) => name === tied.of);
  const pickle = pickledDict(Object.fromEntries([...named, [tied.name, tensorOf(tensors[alias]!, alias)]]));
  const entries: { name: string; data: Part; isChecked: boolean }[] = [
    { name: 'archive/data.pkl', data: pickle, isChecked: true },
    { name: 'archive/byteorder', data: encode('little'), isChecked: true },
    ...tensors.map(({ name, data }, i) => ({ name: `archive/data/${i}`, data, isChecked: checked(name) })),
    { name: 'archive/version', data: encode('3\n'), isChecked: true },
  ];
  const parts: Part[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, data, isChecked } of entries) {
    const crc = isChecked ? checksum(data) : 0;
    // The header says the sizes only where they fit, and torch pads so that the data begins at a multiple of 64.
    const size = data.length;
    const part = { name, data: new Uint8Array(0), crc, size, localSize: Math.min(size, 0xffffffff), zip64: true };
    const padding = (64 - ((at + 30 + name.length) % 64)) % 64;
    directory.push(directoryEntry(part, at));
    const header = localHeader({ ...part, padding });
    parts.push(header, data);
    at += header.length + size;
  }
  const list = concat(...directory);
  return virtualFile([...parts, list, endRecords(entries.length, list.length, at, true)]);
}

function checksum(data: Part): number {
  let crc = 0;
  for (const piece of virtualFile([data]).pieces(0, data.length)) crc = crc32(piece, crc);
  return crc;
}
