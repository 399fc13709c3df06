/**
 * Byte-level BPE writes each byte as one printable character, so that a vocabulary is a set of plain strings. Bytes that are
 * printable in Latin-1 stand for themselves; the other 68 take the code points from U+0100 on, in order (GPT-2's table).
 */
export interface ByteAlphabet {
  /** 256 characters, indexed by byte. */
  readonly charOf: readonly string[];
  /** The byte of each of those characters' code points; -1 elsewhere. Length 0x144. */
  readonly byteOf: Int16Array;
}

let alphabet: ByteAlphabet | undefined;

/** The byte alphabet, built on first use. */
export function byteAlphabet(): ByteAlphabet {
  if (alphabet) return alphabet;
  const charOf: string[] = [];
  const byteOf = new Int16Array(0x144).fill(-1);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    const code = printable ? byte : next++;
    charOf.push(String.fromCharCode(code));
    byteOf[code] = byte;
  }
  return (alphabet = { charOf, byteOf });
}

/** The bytes that a byte-level token spells, or undefined if one of its characters is outside the byte alphabet. */
export function bytesOfToken(token: string): Uint8Array | undefined {
  const { byteOf } = byteAlphabet();
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOf[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** How many bytes UTF-8 takes for a code point. */
export function utf8Length(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** The byte at `index` (from 0) of a code point's UTF-8 form of `length` bytes. */
export function utf8Byte(codePoint: number, length: number, index: number): number {
  if (length === 1) return codePoint;
  const bits = codePoint >> (6 * (length - 1 - index));
  return index === 0 ? ((0xf00 >> length) & 0xff) | bits : 0x80 | (bits & 0x3f);
}

/** Text with each lone surrogate replaced by U+FFFD, as every UTF-8 encoder does. The count of code points stays. */
export function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\ufffd') : text;
}
