import { expectNumber, refuseUnknown } from '../arguments.js';
import type { Dense } from '../structured/numbers.js';
import { tensorOf } from '../tensor.js';
import { type HeadProblem, solveHeads, type SsdInput, type SsdOutput } from './problem.js';

/** What the chunked form did with one chunk of one head: copies, which the receiver may keep. */
export interface ChunkEvent {
  /** the chunk's first position; packed sequences (`seqIdx`) count from their own start */
  readonly start: number;
  /** the position past its last */
  readonly end: number;
  /** (r, r), r = end − start: the block of `M` on the diagonal */
  readonly block: Dense;
  /** (p, n): the state that all chunks before have left */
  readonly entering: Dense;
  /** (p, n): the state that this chunk hands on */
  readonly leaving: Dense;
}

/** How {@link ssdChunked} cuts a sequence, and who is told. */
export interface ChunkedOptions {
  /** q ≥ 1, 64 by default; the last chunk may be shorter. q = 1 is the recurrence, q = l the quadratic form. */
  readonly chunkLength?: number | undefined;
  /** Called for each chunk in order, head after head, sequence after sequence. */
  readonly trace?: ((event: ChunkEvent) => void) | undefined;
}

/**
 * The chunked form (SSD): `M` cut into q × q blocks. Blocks on the diagonal are multiplied quadratically; each block below it has rank n
 * and factors through one state per chunk, so that all the work is matrix products:
 *
 * 1. inside the chunks   `Y_diag = (L ∘ C Bᵀ) X`
 * 2. what a chunk leaves `S = (decay to the chunk's end ∘ X)ᵀ B`
 * 3. between chunks      `H_c = exp(Σ Δ A) H_{c−1} + S_c`, itself a 1-semiseparable product
 * 4. what a chunk finds  `Y_off = decay from the chunk's start ∘ (C H_{c−1}ᵀ)`
 *
 * O(l q (n + p) + l n p) multiply-adds per head. Source: Mamba-2 (arXiv 2405.21060), section 6 and listing 1.
 * @throws ShapeError, ArgumentError
 * @example
 * ```ts
 * import { hostTensor, ssdChunked } from '@mamba2/core';
 * const ones = hostTensor([1, 1, 1, 1], [1, 4, 1, 1]);
 * const events = [];
 * const input = { x: ones, dt: hostTensor([1, 1, 1, 1], [1, 4, 1]), A: hostTensor([-Math.LN2]), B: ones, C: ones };
 * ssdChunked(input, { chunkLength: 2, trace: (event) => events.push(event) });
 * events[1].entering.data; // [1.5]
 * events[1].block.data; // [1, 0, 0.5, 1]
 * ```
 */
export function ssdChunked(input: SsdInput, options: ChunkedOptions = {}): SsdOutput {
  refuseUnknown('ssdChunked', options, ['chunkLength', 'trace']);
  const q = expectNumber('chunkLength', options.chunkLength ?? 64, { min: 1, integer: true });
  return solveHeads(input, (head) => blockDecomposition(head, q, options.trace));
}

function blockDecomposition(head: HeadProblem, q: number, trace: ChunkedOptions['trace']): void {
  const { l, p, n, x, delta, a, B, C, state: H, y } = head;
  for (let start = 0; start < l; start += q) {
    const r = Math.min(q, l - start);
    const xc = x.subarray(start * p, (start + r) * p);
    const yc = y.subarray(start * p, (start + r) * p);
    const Bc = B.subarray(start * n, (start + r) * n);
    const Cc = C.subarray(start * n, (start + r) * n);
    const deltaC = delta.subarray(start, start + r);
    const L = expSegmentSums(deltaC, a);
    const entering = trace && tensorOf(H.slice(), 'f64', [p, n]);
    const block = trace && new Float64Array(r * r);

    // 1. Y_diag = (L ∘ C Bᵀ) (Δ X)
    const G = productTransposed(Cc, Bc, r, r, n);
    for (let j = 0; j < r; j++) {
      for (let i = 0; i <= j; i++) {
        const m = L[j * r + i]! * G[j * r + i]! * deltaC[i]!;
        if (block) block[j * r + i] = m;
        for (let e = 0; e < p; e++) yc[j * p + e]! += m * xc[i * p + e]!;
      }
    }

    // 4. Y_off = (decay from the start ∘ C) Hᵀ; the decay into row j covers Δ_0 … Δ_j.
    const first = Math.exp(deltaC[0]! * a);
    const fromStart = productTransposed(Cc, H, r, p, n);
    for (let j = 0; j < r; j++) for (let e = 0; e < p; e++) yc[j * p + e]! += first * L[j * r]! * fromStart[j * p + e]!;

    // 2. S = (decay to the end ∘ Δ X)ᵀ B, and 3. H ← exp(Σ Δ A) H + S
    const decayed = new Float64Array(p * r);
    for (let i = 0; i < r; i++)
      for (let e = 0; e < p; e++) decayed[e * r + i] = L[(r - 1) * r + i]! * deltaC[i]! * xc[i * p + e]!;
    const whole = first * L[(r - 1) * r]!;
    for (let e = 0; e < p * n; e++) H[e]! *= whole;
    addProduct(H, decayed, Bc, p, n, r);
    if (trace && entering && block) {
      const leaving = tensorOf(H.slice(), 'f64', [p, n]);
      trace({ start, end: start + r, block: tensorOf(block, 'f64', [r, r]), entering, leaving });
    }
  }
}

/** L_ji = exp(Σ_{k=i+1..j} Δ_k A) for i ≤ j, each sum built up along its row. */
function expSegmentSums(delta: Float64Array, a: number): Float64Array {
  const r = delta.length;
  const L = new Float64Array(r * r);
  for (let j = 0; j < r; j++) {
    let sum = 0;
    for (let i = j; i >= 0; i--) {
      L[j * r + i] = Math.exp(sum);
      sum += delta[i]! * a;
    }
  }
  return L;
}

/** U Vᵀ of U (rows, inner) and V (columns, inner). */
function productTransposed(
  U: Float64Array,
  V: Float64Array,
  rows: number,
  columns: number,
  inner: number,
): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += U[i * inner + k]! * V[j * inner + k]!;
      out[i * columns + j] = sum;
    }
  }
  return out;
}

/** out += U V of U (rows, inner) and V (inner, columns). */
function addProduct(
  out: Float64Array,
  U: Float64Array,
  V: Float64Array,
  rows: number,
  columns: number,
  inner: number,
): void {
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      const u = U[i * inner + k]!;
      for (let j = 0; j < columns; j++) out[i * columns + j]! += u * V[k * columns + j]!;
    }
  }
}
