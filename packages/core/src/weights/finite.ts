import type { DType, Stored } from '../dtype.js';

/** Whether no number's exponent is all ones. */
export function allFinite({ dtype, bytes }: Stored): boolean {
  return new FiniteCheck(dtype).holds(bytes);
}

/** {@link allFinite} of bytes that come in pieces of any length: only the upper one or two of each number tell. */
export class FiniteCheck {
  readonly #size: number;
  /** Bits of the top byte that belong to the exponent; those that it has in the byte below. */
  readonly #high: number;
  readonly #low: number;
  /** Bytes seen, modulo the size of a number, and the last of them. */
  #at = 0;
  #before = 0;

  constructor(dtype: DType) {
    this.#size = dtype === 'f32' ? 4 : 2;
    [this.#high, this.#low] = dtype === 'f16' ? [0x7c, 0] : [0x7f, 0x80];
  }

  /** Whether the next piece of the matrix has only finite numbers; a number may lie across two pieces. */
  holds(piece: Uint8Array): boolean {
    const [size, high, low] = [this.#size, this.#high, this.#low];
    let at = size - 1 - this.#at;
    let finite = at >= piece.length || !((piece[at]! & high) === high && this.#below(piece, at, low) === low);
    for (at += size; finite && at < piece.length; at += size) {
      finite = (piece[at]! & high) !== high || (piece[at - 1]! & low) !== low;
    }
    this.#at = (this.#at + piece.length) % size;
    this.#before = piece.at(-1) ?? this.#before;
    return finite;
  }

  #below(piece: Uint8Array, at: number, low: number): number {
    return (at > 0 ? piece[at - 1]! : this.#before) & low;
  }
}
