import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { HubFile } from './hub.js';

/** Takes a file's bytes in order. */
export interface FileHash {
  update(bytes: Uint8Array): void;
  /** Whether they are the file's. */
  matches(): boolean;
}

type Crypto = typeof import('node:crypto');

/**
 * Hashes a file as a hub does: SHA-256, or git's SHA-1 of `blob`, its size and its content. In Node the platform's, elsewhere in JavaScript:
 * a page's own digests need all of a file at once.
 */
export function fileHash({ size, hash: { algorithm, hex } }: HubFile): FileHash {
  const process = (globalThis as { process?: { getBuiltinModule?: (id: string) => Crypto | undefined } }).process;
  const crypto = process?.getBuiltinModule?.('node:crypto');
  const name = algorithm === 'git' ? 'sha1' : 'sha256';
  const native = crypto?.createHash(name);
  const own = native ? undefined : (algorithm === 'git' ? sha1 : sha256).create();
  const update = (bytes: Uint8Array) => void (native ?? own!).update(bytes);
  if (algorithm === 'git') update(new TextEncoder().encode(`blob ${size}\0`));
  return { update, matches: () => (native ? native.digest('hex') : bytesToHex(own!.digest())) === hex };
}
