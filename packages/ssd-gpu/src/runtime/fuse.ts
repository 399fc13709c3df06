import { blocksOf, type Work } from './launch.js';
import type { Block } from './memory.js';

/**
 * Joins neighbours where one can do the other's work: a normalisation, say, folded into the matrix–vector product behind it. Unless the first
 * one's result is kept as it is, it must be read by the second alone and be released by now; and the second's output must not have taken the
 * buffer of something that the first reads.
 */
export function fuse(work: readonly Work[]): Work[] {
  const readers = new Map<Block, number>();
  for (const item of work) for (const block of blocksOf(item)) readers.set(block, (readers.get(block) ?? 0) + 1);
  const out: Work[] = [];
  for (const item of work) {
    const before = out.at(-1);
    const joined = before && join(before, item, readers);
    if (joined) out.splice(-1, 1, ...joined);
    else out.push(item);
  }
  return out;
}

function join(first: Work, second: Work, readers: ReadonlyMap<Block, number>): readonly Work[] | undefined {
  if (first.kind !== 'launch' || second.kind !== 'launch') return undefined;
  const produces = first.fusion?.produces;
  const absorb = second.fusion?.absorb;
  if (!produces || !absorb || absorb.block !== produces.block) return undefined;
  // Once written by the first, once read by the second.
  if (!produces.kept && (produces.block.alive || readers.get(produces.block) !== 2)) return undefined;
  const inputs = new Set(
    blocksOf(first)
      .filter((block) => block !== produces.block)
      .map((block) => block.slab),
  );
  if (
    blocksOf(second).some(
      (block) => block !== produces.block && inputs.has(block.slab) && !blocksOf(first).includes(block),
    )
  )
    return undefined;
  return absorb.with(produces.by);
}
