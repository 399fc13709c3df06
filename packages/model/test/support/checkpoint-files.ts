import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Mamba2Error } from '@mamba2/core';
import { expect } from 'vitest';
import { goldens } from '../../../../fixtures/read.ts';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';

export type Files = Record<string, Uint8Array>;

/** A golden model's files in memory, to be changed at will. */
export function goldenFiles(name: string, root: URL = goldens): Files {
  const folder = new URL(`models/${name}/`, root);
  const names = readdirSync(folder).filter((file) => file !== 'golden.safetensors');
  return Object.fromEntries(names.map((file) => [file, new Uint8Array(readFileSync(new URL(file, folder)))]));
}

export const encode = (text: string) => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** `files` with the JSON object in one of them changed. */
export function withJson(files: Files, file: string, change: (json: Record<string, unknown>) => void): Files {
  const json = JSON.parse(decode(files[file])) as Record<string, unknown>;
  change(json);
  return { ...files, [file]: encode(JSON.stringify(json)) };
}

/** Every tensor of a checkpoint, as text that two equal checkpoints share. */
export async function contents(checkpoint: Checkpoint): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const [name, tensor] of checkpoint.tensors) {
    const { dtype, shape, bytes } = await tensor.load();
    all.set(name, `${dtype} (${shape.join(', ')}) ${Buffer.from(bytes).toString('latin1')}`);
  }
  await checkpoint.verified();
  return all;
}

/**
 * Opens a checkpoint and reads all of it.
 * @returns what it holds, or the typed error that refused it; any other error fails the test that called
 */
export async function openAll(files: Files): Promise<Map<string, string> | Mamba2Error> {
  try {
    return await contents(await openCheckpoint({ name: 'files', files }));
  } catch (error) {
    if (error instanceof Mamba2Error) return error;
    throw error;
  }
}

/** The message of the typed error that a promise is rejected with. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Mamba2Error);
  return `${(error as Mamba2Error).name}: ${(error as Mamba2Error).message}`;
}

/** An entry for {@link zip}: what is written, and where its headers say something else. */
export interface ZipPart {
  name: string;
  data: Uint8Array;
  method?: number;
  flags?: number;
  /** Said by both headers instead of the truth. */
  crc?: number;
  /** Said by the directory instead of the truth. */
  size?: number;
  start?: number;
  /** Said by the entry's own header instead of the truth. */
  localName?: string;
  localSize?: number;
  /** Extra field of the entry's own header, as torch pads with. */
  padding?: number;
  /** Sizes and start stand in a ZIP64 extra field. */
  zip64?: boolean;
}

/** Bytes of numbers, little-endian: `[value, width]` pairs. */
export function little(...fields: [value: number | bigint, width: 1 | 2 | 4 | 8][]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([value, width]) =>
      Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n)),
    ),
  );
}

export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** The bit-by-bit definition of CRC-32. */
export function slowCrc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

export function localHeader(part: ZipPart): Uint8Array {
  const { data, name, localName = name, method = 0, flags = 0, padding = 0, localSize = data.length } = part;
  const raw = encode(localName);
  const crc = part.crc ?? slowCrc32(data);
  return concat(
    little(
      [0x04034b50, 4],
      [20, 2],
      [flags, 2],
      [method, 2],
      [0, 4],
      [crc, 4],
      [localSize, 4],
      [localSize, 4],
      [raw.length, 2],
      [padding, 2],
    ),
    raw,
    new Uint8Array(padding),
  );
}

export function directoryEntry(part: ZipPart, at: number): Uint8Array {
  const { data, name, method = 0, flags = 0, size = data.length, start = at, zip64 = false } = part;
  const raw = encode(name);
  const crc = part.crc ?? slowCrc32(data);
  const extra = zip64 ? little([1, 2], [24, 2], [size, 8], [size, 8], [start, 8]) : new Uint8Array(0);
  const [narrowSize, narrowStart] = zip64 ? [0xffffffff, 0xffffffff] : [size, start];
  return concat(
    little(
      [0x02014b50, 4],
      [20, 2],
      [20, 2],
      [flags, 2],
      [method, 2],
      [0, 4],
      [crc, 4],
      [narrowSize, 4],
      [narrowSize, 4],
    ),
    little([raw.length, 2], [extra.length, 2], [0, 2], [0, 2], [0, 2], [0, 4], [narrowStart, 4]),
    raw,
    extra,
  );
}

/** The end of an archive, after its directory. */
export function endRecords(count: number, bytes: number, start: number, zip64 = false): Uint8Array {
  const plain = (c: number, b: number, s: number) =>
    little([0x06054b50, 4], [0, 4], [c, 2], [c, 2], [b, 4], [s, 4], [0, 2]);
  if (!zip64) return plain(count, bytes, start);
  return concat(
    little([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4], [count, 8], [count, 8], [bytes, 8], [start, 8]),
    little([0x07064b50, 4], [0, 4], [start + bytes, 8], [1, 4]),
    plain(0xffff, 0xffffffff, 0xffffffff),
  );
}

/** A ZIP archive of stored entries, written from the format's description. */
export function zip(parts: ZipPart[], { zip64 = false } = {}): Uint8Array<ArrayBuffer> {
  const body: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const part of parts) {
    directory.push(directoryEntry({ zip64, ...part }, at));
    body.push(localHeader(part), part.data);
    at += body.at(-2)!.length + part.data.length;
  }
  const entries = concat(...directory);
  return concat(...body, entries, endRecords(parts.length, entries.length, at, zip64));
}

/** Pickle opcodes by their names in Python's pickletools, enough to write what torch writes and what it would not. */
export const op = {
  proto: (version = 2) => little([0x80, 1], [version, 1]),
  stop: encode('.'),
  mark: encode('('),
  none: encode('N'),
  yes: little([0x88, 1]),
  no: little([0x89, 1]),
  int: (value: number) => little([0x4a, 1], [value, 4]),
  long: (value: bigint) => little([0x8a, 1], [8, 1], [value, 8]),
  text: (value: string) => concat(little([0x58, 1], [encode(value).length, 4]), encode(value)),
  emptyTuple: encode(')'),
  tuple: encode('t'),
  tuple1: little([0x85, 1]),
  tuple2: little([0x86, 1]),
  emptyDict: encode('}'),
  emptyList: encode(']'),
  append: encode('a'),
  setItem: encode('s'),
  setItems: encode('u'),
  put: (index: number) => little([0x71, 1], [index, 1]),
  get: (index: number) => little([0x68, 1], [index, 1]),
  global: (module: string, name: string) => encode(`c${module}\n${name}\n`),
  persId: encode('Q'),
  reduce: encode('R'),
  build: encode('b'),
};

export const orderedDict = concat(op.global('collections', 'OrderedDict'), op.emptyTuple, op.reduce);

export interface PickledTensor {
  key?: string;
  storage?: string;
  elements: number;
  offset?: number;
  shape: number[];
  strides: number[];
  /** Wrapped as a parameter. */
  parameter?: boolean;
}

/** A tensor as torch pickles one. */
export function pickledTensor({
  key = '0',
  storage = 'FloatStorage',
  elements,
  offset = 0,
  shape,
  strides,
  parameter = false,
}: PickledTensor): Uint8Array {
  const ints = (values: number[]) => concat(op.mark, ...values.map(op.int), op.tuple);
  const id = [op.text('storage'), op.global('torch', storage), op.text(key), op.text('cpu'), op.long(BigInt(elements))];
  const args = [op.mark, ...id, op.tuple, op.persId, op.int(offset), ints(shape), ints(strides), op.no, orderedDict];
  const tensor = concat(op.global('torch._utils', '_rebuild_tensor_v2'), op.mark, ...args, op.tuple, op.reduce);
  if (!parameter) return tensor;
  return concat(
    op.global('torch._utils', '_rebuild_parameter'),
    op.mark,
    tensor,
    op.yes,
    orderedDict,
    op.tuple,
    op.reduce,
  );
}

/** A state dict's pickle. */
export function pickledDict(tensors: Record<string, Uint8Array>): Uint8Array {
  const items = Object.entries(tensors).flatMap(([name, tensor]) => [op.text(name), tensor]);
  return concat(op.proto(), orderedDict, op.mark, ...items, op.setItems, op.stop);
}

/** What torch.save writes: the pickle, and the storages by key. */
export function torchArchive(
  pickle: Uint8Array,
  storages: Record<string, Uint8Array> = {},
  more: ZipPart[] = [],
): Uint8Array<ArrayBuffer> {
  return zip([
    { name: 'archive/data.pkl', data: pickle, padding: 12 },
    { name: 'archive/byteorder', data: encode('little') },
    ...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data, padding: 30 })),
    ...more,
  ]);
}

/** A local server that answers each path as `answer` does. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with a file, honouring ranges as servers of files do. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array | undefined,
  headers: Record<string, string> = {},
): void {
  if (!file) {
    response.writeHead(404).end('not found');
    return;
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (!range) {
    response
      .writeHead(200, { 'content-length': file.length, ...headers })
      .end(request.method === 'HEAD' ? undefined : file);
    return;
  }
  const [start, end] = [Number(range[1]), Math.min(Number(range[2]) + 1, file.length)];
  if (start >= file.length) response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
  else {
    const extent = { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${file.length}` };
    response.writeHead(206, { ...extent, ...headers }).end(file.subarray(start, end));
  }
}
