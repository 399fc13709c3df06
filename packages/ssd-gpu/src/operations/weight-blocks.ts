import type { Gpu } from '../runtime/context.js';
import type { WeightPart } from './weight.js';

/** Bytes that go to the device at a time. */
const CHUNK = 1 << 22;

interface RowLayout {
  /** Bytes of a row as it comes. */
  readonly rowBytes: number;
  readonly octets: number;
  readonly octetBytes: number;
  /** Whether a row comes in blocks of 16 bytes whose halves are numbers 16 apart. */
  readonly nibbles: boolean;
}

/** Brings rows, as their bytes come, to the device in blocks of 16 × 16 numbers: see weight-octets.wgsl. O(bytes), and CHUNK of memory. */
export class BlockFiller {
  readonly #gpu: Gpu;
  readonly #parts: readonly Pick<WeightPart, 'first' | 'count' | 'numbers'>[];
  readonly #layout: RowLayout;
  /** A row, as it comes and padded. */
  readonly #row: Uint8Array;
  readonly #words: Uint32Array;
  #filled = 0;
  /** Words of 16 rows, and as many of those as go at a time. */
  readonly #band: number;
  readonly #chunk: Uint32Array;
  readonly #chunkRows: number;
  #part = 0;
  /** Rows of the part that came, and those of them that went. */
  #come = 0;
  #gone = 0;

  constructor(gpu: Gpu, parts: readonly Pick<WeightPart, 'first' | 'count' | 'numbers'>[], layout: RowLayout) {
    const { octets, octetBytes } = layout;
    this.#gpu = gpu;
    this.#parts = parts;
    this.#layout = layout;
    this.#row = new Uint8Array(octets * octetBytes);
    this.#words = new Uint32Array(this.#row.buffer);
    this.#band = 4 * octets * octetBytes;
    const most = Math.max(0, ...parts.map(({ count }) => Math.ceil(count / 16)));
    const bands = Math.min(most, Math.max(1, Math.floor(CHUNK / (4 * this.#band))));
    this.#chunk = new Uint32Array(bands * this.#band);
    this.#chunkRows = 16 * bands;
  }

  write(bytes: Uint8Array): void {
    const { rowBytes } = this.#layout;
    for (let at = 0; at < bytes.byteLength;) {
      const some = Math.min(rowBytes - this.#filled, bytes.byteLength - at);
      this.#row.set(bytes.subarray(at, at + some), this.#filled);
      this.#filled += some;
      at += some;
      if (this.#filled === rowBytes) this.#take();
    }
  }

  /** The row is whole: its octets go to their places. */
  #take(): void {
    this.#filled = 0;
    const words = this.#words;
    if (this.#layout.nibbles) toOctets(words);
    const each = this.#layout.octetBytes / 4;
    const r = this.#come - this.#gone;
    let at = (r >> 4) * this.#band + (r & 15) * 2 * each;
    for (let w = 0; w < words.length; w += 2 * each, at += 32 * each) {
      for (let j = 0; j < 2 * each; j++) this.#chunk[at + j] = words[w + j]!;
    }
    this.#come++;
    if (this.#come - this.#gone === this.#chunkRows || this.#come === this.#parts[this.#part]!.count) this.#send();
  }

  #send(): void {
    const { count, numbers } = this.#parts[this.#part]!;
    const bands = Math.ceil((this.#come - this.#gone) / 16);
    const bytes = new Uint8Array(this.#chunk.buffer, 0, 4 * bands * this.#band);
    this.#gpu.queue.write(numbers, bytes, (this.#gone / 16) * 4 * this.#band);
    this.#gone = this.#come;
    if (this.#come < count) return;
    this.#part++;
    this.#come = this.#gone = 0;
    // Rows that fill up the last sixteen of the next part are zeros again.
    this.#chunk.fill(0);
  }
}

/** Blocks of 16 bytes, byte i holding numbers i and i + 16, as four octets of eight neighbours. */
function toOctets(words: Uint32Array): void {
  for (let b = 0; b < words.length; b += 4) {
    const [a, c, d, e] = [words[b]!, words[b + 1]!, words[b + 2]!, words[b + 3]!];
    words[b] = lowHalves(a) | (lowHalves(c) << 16);
    words[b + 1] = lowHalves(d) | (lowHalves(e) << 16);
    words[b + 2] = lowHalves(a >>> 4) | (lowHalves(c >>> 4) << 16);
    words[b + 3] = lowHalves(d >>> 4) | (lowHalves(e >>> 4) << 16);
  }
}

/** The lower halves of four bytes, side by side. */
function lowHalves(word: number): number {
  return (word & 0xf) | ((word >>> 4) & 0xf0) | ((word >>> 8) & 0xf00) | ((word >>> 12) & 0xf000);
}
