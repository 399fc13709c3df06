import { createHash } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { fileHash } from '../src/checkpoint/hub-hash.js';

afterEach(() => vi.restoreAllMocks());

const bytes = new Uint8Array(100_003).map((_, i) => (i * 7) % 251);
const sha256 = createHash('sha256').update(bytes).digest('hex');
const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

test.each([
  ['sha256', sha256],
  ['git', git],
] as const)('%s, in Node and where there is no Node', async (algorithm, hex) => {
  for (const builtin of [true, false]) {
    if (!builtin) vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never);
    for (const wanted of [hex, hex.replace(/.$/, (c) => (c === '0' ? '1' : '0'))]) {
      const hash = await fileHash({ path: 'x', size: bytes.length, hash: { algorithm, hex: wanted } });
      hash.update(bytes.subarray(0, 999));
      hash.update(bytes.subarray(999));
      expect(hash.matches()).toBe(wanted === hex);
    }
  }
});
