/**
 * Opens a small checkpoint and then a large one, in a process of its own, and reads those of the named tensors that it has piece by piece; prints the
 * first two bytes of each, and by how many bytes the second raised the peak.
 */
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';

const [small, large, ...names] = process.argv.slice(2) as [string, string, ...string[]];

async function read(folder: string): Promise<{ first: Record<string, number>; bytes: number }> {
  const { tensors } = await openCheckpoint(folder);
  const first: Record<string, number> = {};
  let bytes = 0;
  for (const name of names) {
    for await (const piece of tensors.get(name)?.stream().pieces ?? []) {
      first[name] ??= piece[0]! + 256 * piece[1]!;
      bytes += piece.byteLength;
    }
  }
  return { first, bytes };
}

await read(small);
const before = process.resourceUsage().maxRSS;
const result = await read(large);
console.log(JSON.stringify({ ...result, grown: 1024 * (process.resourceUsage().maxRSS - before) }));
