import { type BlockFormat, type BlockMatrix, type DType, type Stored, type Streamed } from '@mamba2/core';
import { blockLayout, collect, exactly, FiniteCheck, notFinite, storageBytes } from '@mamba2/core/weights';
import type { Format } from '../commands/layout.js';
import type { Block } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { quantiseRows } from './weight.js';

/** Bytes of rows that are rounded at a time. */
const STAGING = 1 << 22;

/** Fills new blocks of these sizes with the pieces, one block after the other. Nothing stays behind if the pieces fail. */
export async function streamInto(memory: Memory, matrix: Streamed, sizes: readonly number[]): Promise<Block[]> {
  const blocks: Block[] = [];
  try {
    for (const size of sizes) blocks.push(memory.reserve(size));
    let [block, filled] = [0, 0];
    for await (const piece of exactly(matrix)) {
      for (let from = 0; from < piece.byteLength;) {
        while (filled === sizes[block]) [block, filled] = [block + 1, 0];
        const part = piece.subarray(from, from + sizes[block]! - filled);
        memory.fill(blocks[block]!, filled, part);
        from += part.byteLength;
        filled += part.byteLength;
      }
      if (blocks[0]) await memory.settle(blocks[0]); // so that no more than a piece is on its way
    }
    return blocks;
  } catch (error) {
    memory.discard(blocks);
    throw error;
  }
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

/** The integers and the scales of a matrix, rounded into blocks on the device some rows at a time. */
export async function streamRounded(
  memory: Memory,
  matrix: Streamed,
  format: BlockFormat,
): Promise<readonly [Block, Block]> {
  const [m, k] = matrix.shape as readonly [number, number];
  const { numberBytes, scaleBytes } = blockLayout(format, m, k);
  const rowBytes = storageBytes(matrix.dtype, [1, k]);
  const rows = Math.min(m, Math.max(1, Math.floor(STAGING / Math.max(1, rowBytes))));
  const check = new FiniteCheck(matrix.dtype as DType);
  const made: Block[] = [];
  try {
    for (const size of [numberBytes, scaleBytes, rows * rowBytes]) made.push(memory.reserve(size));
    const [numbers, scales, staging] = made as [Block, Block, Block];
    let [row, filled] = [0, 0];
    for await (const piece of exactly(matrix)) {
      if (!check.holds(piece)) throw notFinite();
      for (let from = 0; from < piece.byteLength;) {
        const wanted = Math.min(rows, m - row) * rowBytes;
        const part = piece.subarray(from, from + wanted - filled);
        memory.fill(staging, filled, part);
        from += part.byteLength;
        filled += part.byteLength;
        if (filled < wanted) continue;
        const count = wanted / rowBytes;
        quantiseRows(memory, staging, matrix.dtype as Format, [numbers, scales], { format, k }, row, count);
        await memory.settle(staging); // before the host writes there again
        [row, filled] = [row + count, 0];
      }
    }
    memory.discard([staging]);
    return [numbers, scales];
  } catch (error) {
    memory.discard(made);
    throw error;
  }
}
