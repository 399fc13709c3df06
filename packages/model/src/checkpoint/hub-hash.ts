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
export async function fileHash({ size, hash: { algorithm, hex } }: HubFile): Promise<FileHash> {
  const process = (globalThis as { process?: { getBuiltinModule?: (id: string) => Crypto | undefined } }).process;
  const crypto = process?.getBuiltinModule?.('node:crypto');
  const { update, digest } = crypto ? native(crypto, algorithm) : await portable(algorithm);
  if (algorithm === 'git') update(new TextEncoder().encode(`blob ${size}\0`));
  return { update, matches: () => digest() === hex };
}

interface Hash {
  update(bytes: Uint8Array): void;
  digest(): string;
}

function native(crypto: Crypto, algorithm: 'sha256' | 'git'): Hash {
  const hash = crypto.createHash(algorithm === 'git' ? 'sha1' : 'sha256');
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
}

async function portable(algorithm: 'sha256' | 'git'): Promise<Hash> {
  const { bytesToHex } = await import('@noble/hashes/utils.js');
  const hash =
    algorithm === 'git'
      ? (await import('@noble/hashes/legacy.js')).sha1.create()
      : (await import('@noble/hashes/sha2.js')).sha256.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}
