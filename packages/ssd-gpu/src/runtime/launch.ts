import type { Constants, Kernel } from './kernel.js';
import type { Params } from './layout.js';
import type { Block } from './memory.js';

/** One dispatch of a kernel: its buffers by the names its shader gives them, its numbers, and how many workgroups. */
export interface Launch {
  readonly kernel: Kernel;
  readonly constants?: Constants;
  /** Absent ones are those that the constants switch off; some other buffer is bound in their place. */
  readonly buffers: Readonly<Record<string, Block | undefined>>;
  readonly params: Params;
  readonly grid: readonly [number, number?, number?];
}

/** A launch in the queue, and what its neighbours may do with it. */
export interface LaunchWork {
  readonly kind: 'launch';
  readonly launch: Launch;
  readonly fusion?: Fusion;
}

/** Work in the queue. */
export type Work =
  | LaunchWork
  | {
      readonly kind: 'copy';
      readonly from: Block;
      readonly fromByte: number;
      readonly to: Block;
      readonly toByte: number;
      readonly bytes: number;
    }
  | { readonly kind: 'clear'; readonly block: Block };

/**
 * What an operation offers its neighbour: a producer says what stands for its result, a consumer how to take that in. A pair becomes the launches
 * that the consumer answers with, when nothing else reads the result in between.
 */
export interface Fusion {
  /** The result, which may never be written, or change, unless it is `kept`. */
  readonly produces?: { readonly block: Block; readonly by: object; readonly kept?: boolean };
  /** Launches in place of both; undefined if they can't be joined. */
  readonly absorb?: { readonly block: Block; readonly with: (producer: object) => readonly LaunchWork[] | undefined };
}

/** The blocks that a launch uses. */
export function blocksIn({ buffers }: Launch): Block[] {
  const blocks: Block[] = [];
  for (const name in buffers) {
    const block = buffers[name];
    if (block) blocks.push(block);
  }
  return blocks;
}

/** The blocks that an item of work uses. */
export function blocksOf(item: Work): Block[] {
  if (item.kind === 'launch') return blocksIn(item.launch);
  return item.kind === 'copy' ? [item.from, item.to] : [item.block];
}
