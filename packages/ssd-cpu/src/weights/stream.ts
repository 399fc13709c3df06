import { type BlockFormat, type BlockMatrix, type DType, type Stored, type Streamed } from '@mamba2/core';
import { blockLayout, collect, exactly, FiniteCheck, notFinite, storageBytes } from '@mamba2/core/weights';
import type { Format } from '../commands/layout.js';
import type { Block } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { arrangeRows, quantiseRows } from './weight.js';

/** Bytes of rows that are rounded at a time. */
const STAGING = 1 << 22;

/** New blocks of these sizes that `fill` fills; nothing stays behind if it fails. */
async function filled(
  memory: Memory,
  sizes: readonly number[],
  fill: (blocks: readonly Block[]) => Promise<void>,
): Promise<readonly Block[]> {
  const blocks: Block[] = [];
  try {
    for (const size of sizes) blocks.push(memory.reserve(size));
    await fill(blocks);
    return blocks;
  } catch (error) {
    memory.discard(blocks);
    throw error;
  }
}

/** Fills new blocks of these sizes with the pieces, one block after the other. */
export function streamInto(memory: Memory, matrix: Streamed, sizes: readonly number[]): Promise<readonly Block[]> {
  return filled(memory, sizes, async (blocks) => {
    let [block, at] = [0, 0];
    for await (const piece of exactly(matrix)) {
      for (let from = 0; from < piece.byteLength;) {
        while (at === sizes[block]) [block, at] = [block + 1, 0];
        const part = piece.subarray(from, from + sizes[block]! - at);
        memory.fill(blocks[block]!, at, part);
        from += part.byteLength;
        at += part.byteLength;
      }
      if (blocks[0]) await memory.settle(blocks[0]); // so that no more than a piece is on its way
    }
  });
}

/** A new block with the pieces of an f16 matrix, or, as soon as a number of it is not finite, all of it in host memory. */
export async function streamFinite(memory: Memory, matrix: Streamed): Promise<Block | Stored | BlockMatrix> {
  const block = memory.reserve(storageBytes(matrix.dtype, matrix.shape));
  const check = new FiniteCheck('f16');
  const pieces = exactly(matrix);
  try {
    let filled = 0;
    for await (const piece of pieces) {
      if (!check.holds(piece)) {
        const head = new Uint8Array(await memory.settle(block, filled));
        const whole = await collect({ ...matrix, pieces: chained(head, piece, pieces) });
        memory.discard([block]);
        return whole;
      }
      memory.fill(block, filled, piece);
      filled += piece.byteLength;
      await memory.settle(block); // so that no more than a piece is on its way
    }
    return block;
  } catch (error) {
    memory.discard([block]);
    throw error;
  }
}

async function* chained(head: Uint8Array, next: Uint8Array, rest: AsyncIterable<Uint8Array>) {
  yield head;
  yield next;
  yield* rest;
}

/** Rows that come one after the other, and the command that takes some of them, from row `first` on, from where they were put. */
interface Section {
  readonly rowBytes: number;
  take(from: Block, first: number, count: number): void;
}

/** Feeds a matrix's sections to their commands, some rows at a time (a multiple of 4 but for the last), through memory of its own. */
async function streamRows(
  memory: Memory,
  pieces: AsyncIterable<Uint8Array>,
  m: number,
  sections: readonly Section[],
): Promise<void> {
  const most = ({ rowBytes }: Section) => Math.min(m, Math.max(4, Math.floor(STAGING / Math.max(1, rowBytes)) & ~3));
  const staging = memory.reserve(Math.max(...sections.map((section) => most(section) * section.rowBytes)));
  try {
    let [at, row, filled] = [0, 0, 0];
    for await (const piece of pieces) {
      for (let from = 0; from < piece.byteLength;) {
        const section = sections[at]!;
        const count = Math.min(most(section), m - row);
        const wanted = count * section.rowBytes;
        const part = piece.subarray(from, from + wanted - filled);
        memory.fill(staging, filled, part);
        from += part.byteLength;
        filled += part.byteLength;
        if (filled < wanted) continue;
        section.take(staging, row, count);
        await memory.settle(staging); // before the host writes there again
        [row, filled] = [row + count, 0];
        if (row === m) [at, row] = [at + 1, 0];
      }
    }
  } finally {
    memory.discard([staging]);
  }
}

/** A matrix rounded into blocks on the device, in parts of these sizes. */
export function streamRounded(
  memory: Memory,
  matrix: Streamed,
  format: BlockFormat,
  sizes: readonly number[],
): Promise<readonly Block[]> {
  const [m, k] = matrix.shape as readonly [number, number];
  const check = new FiniteCheck(matrix.dtype as DType);
  async function* finite() {
    for await (const piece of exactly(matrix)) {
      if (!check.holds(piece)) throw notFinite();
      yield piece;
    }
  }
  return filled(memory, sizes, (parts) => {
    const take = (from: Block, first: number, count: number) =>
      quantiseRows(memory, from, matrix.dtype as Format, parts, { format, k }, first, count);
    return streamRows(memory, finite(), m, [{ rowBytes: storageBytes(matrix.dtype, [1, k]), take }]);
  });
}

/** A matrix in q8, arranged on the device as kernels read it. */
export function streamArranged(memory: Memory, matrix: Streamed, sizes: readonly number[]): Promise<readonly Block[]> {
  const [m, k] = matrix.shape as readonly [number, number];
  const { rowBytes, blocks } = blockLayout('q8', m, k);
  return filled(memory, sizes, ([to]) => {
    const section = (bytes: number, scales: 0 | 1): Section => ({
      rowBytes: bytes,
      take: (from, first, count) => arrangeRows(memory, from, to!, { k, scales }, first, count),
    });
    return streamRows(memory, exactly(matrix), m, [section(rowBytes, 0), section(2 * blocks, 1)]);
  });
}
