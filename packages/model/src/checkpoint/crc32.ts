/**
 * CRC-32 as ZIP and gzip use it (ISO 3309, reflected polynomial 0xEDB88320), eight bytes a step with one table for each of their places:
 * about three times as fast as the byte-by-byte form of the packages on npm, which matters over gigabytes.
 * @param crc the value so far, to go on from
 */
export function crc32(bytes: Uint8Array, crc = 0): number {
  tables ??= makeTables();
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
  let c = ~crc;
  let i = 0;
  while (i < bytes.length && (bytes.byteOffset + i) % 4 !== 0) c = t0[(c ^ bytes[i++]!) & 255]! ^ (c >>> 8);
  // Words as little-endian machines read them, which all engines' machines are.
  const pairs = Math.floor((bytes.length - i) / 8);
  const words = pairs > 0 ? new Int32Array(bytes.buffer, bytes.byteOffset + i, 2 * pairs) : new Int32Array(0);
  for (let w = 0; w < words.length; w += 2) {
    const p = c ^ words[w]!;
    const q = words[w + 1]!;
    // prettier-ignore
    c =
      t7[p & 255]! ^ t6[(p >>> 8) & 255]! ^ t5[(p >>> 16) & 255]! ^ t4[p >>> 24]! ^
      t3[q & 255]! ^ t2[(q >>> 8) & 255]! ^ t1[(q >>> 16) & 255]! ^ t0[q >>> 24]!;
  }
  for (i += words.byteLength; i < bytes.length; i++) c = t0[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

type Tables = [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];
let tables: Tables | undefined;

/** `tables[k][b]`: what byte b does to the CRC when k zero bytes follow it. */
function makeTables(): Tables {
  const made = Array.from({ length: 8 }, () => new Int32Array(256)) as Tables;
  const [first] = made;
  for (let b = 0; b < 256; b++) {
    let c = b;
    for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
    first[b] = c;
  }
  for (let k = 1; k < 8; k++) {
    for (let b = 0; b < 256; b++) {
      const before = made[k - 1]![b]!;
      made[k]![b] = first[before & 255]! ^ (before >>> 8);
    }
  }
  return made;
}
