import { type Stored, stored, toFloat64 } from '../dtype.js';
import { CheckpointError, ShapeError, UnsupportedError } from '../errors.js';
import { shapeText } from '../shape.js';
import {
  BLOCK,
  blockBytes,
  type BlockFormat,
  blockLayout,
  type BlockMatrix,
  expectBytes,
  isBlockMatrix,
} from './blocks.js';
import { allFinite } from './finite.js';

/**
 * A matrix in blocks, each rounded to the nearest that its format can say. Deterministic, in float32 step by step: a backend that quantises
 * by itself makes the same bytes. O(mk).
 * @throws ShapeError for what is no matrix of floats; CheckpointError for infinities or NaN
 */
export function quantise(matrix: Stored, dtype: BlockFormat): BlockMatrix {
  const { shape } = matrix;
  const [m, k] = shape;
  if (m === undefined || k === undefined || shape.length !== 2 || matrix.dtype === 'i32' || matrix.dtype === 'u32') {
    throw new ShapeError('only a matrix of floats has blocks', { given: `${matrix.dtype} ${shapeText(shape)}` });
  }
  const values = Float32Array.from(toFloat64(matrix));
  if (!allFinite(stored(values, shape))) throw notFinite();
  const { blocks, rowBytes, numberBytes, scaleBytes } = blockLayout(dtype, m, k);
  const bytes = new Uint8Array(numberBytes + scaleBytes);
  const scales = new DataView(bytes.buffer, numberBytes);
  const pack = dtype === 'q8' ? packQ8 : packQ4;
  for (let r = 0; r < m; r++) {
    for (let b = 0; b < blocks; b++) {
      const block = values.subarray(r * k + BLOCK * b, r * k + Math.min(BLOCK * (b + 1), k));
      const at = r * rowBytes + b * blockBytes[dtype];
      scales.setUint16(2 * (r * blocks + b), pack(block, bytes.subarray(at, at + blockBytes[dtype])), true);
    }
  }
  return { dtype, shape, bytes };
}

/** Why a matrix can't be quantised. */
export function notFinite(): CheckpointError {
  return new CheckpointError('a matrix with infinities or NaN in it has no blocks', {
    fix: 'load it with dtype: "stored"',
  });
}

/**
 * A matrix as a backend is to keep it: as it comes, or in blocks.
 * @throws UnsupportedError for blocks of one format that are wanted in the other; what {@link quantise} throws
 */
export function inFormat(matrix: Stored | BlockMatrix, format: 'stored' | BlockFormat): Stored | BlockMatrix {
  if (format === 'stored' || matrix.dtype === format) return matrix;
  if (!isBlockMatrix(matrix)) return quantise(matrix, format);
  throw otherBlocks(matrix.dtype, format);
}

/** Why blocks of one format don't become those of the other: what the first rounding lost would be lost twice. */
export function otherBlocks(given: BlockFormat, wanted: BlockFormat): UnsupportedError {
  return new UnsupportedError(`a matrix in ${given} blocks as ${wanted}`, {
    fix: 'quantise the checkpoint that it was made from, or load it with dtype: "stored"',
  });
}

/** The numbers that blocks stand for, exactly: an integer of 8 bits times a bf16 scale is a float32. @throws CheckpointError, ShapeError */
export function dequantise(matrix: BlockMatrix): Float32Array {
  expectBytes(matrix);
  const { dtype, shape, bytes } = matrix;
  const [m, k] = shape as readonly [number, number];
  const { blocks, rowBytes, numberBytes } = blockLayout(dtype, m, k);
  const scales = new DataView(bytes.buffer, bytes.byteOffset + numberBytes);
  const out = new Float32Array(m * k);
  for (let r = 0; r < m; r++) {
    for (let i = 0; i < k; i++) {
      const block = i >> 5;
      const at = r * rowBytes + block * blockBytes[dtype];
      const within = i & 31;
      const integer =
        dtype === 'q8'
          ? (bytes[at + within]! << 24) >> 24
          : ((bytes[at + (within & 15)]! >> (within < 16 ? 0 : 4)) & 15) - 8;
      out[r * k + i] = fromBits(scales.getUint16(2 * (r * blocks + block), true)) * integer;
    }
  }
  return out;
}

/** Blocks of smaller numbers than this count as zeros: the inverse of their scale would be infinite. */
const TINY = Math.fround(1e-37);

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** bf16 bits → number */
function fromBits(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0]!;
}

/** The bits of a float32. */
function bitsOf(x: number): number {
  scratch[0] = x;
  return scratchBits[0]!;
}

/** 1 / scale, in float32. */
function inverseOf(bits: number): number {
  const scale = fromBits(bits);
  return Math.abs(scale) < TINY ? 0 : Math.fround(1 / scale);
}

/** To the nearest integer, halves to even. */
function nearest(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** scale = max |w| / 127, as the nearest bf16 not smaller: what was the largest stays within reach. @returns the scale's bits */
function packQ8(block: Float32Array, to: Uint8Array): number {
  let most = 0;
  for (const value of block) most = Math.max(most, Math.abs(value));
  const exact = Math.fround(most / 127);
  const bits = exact < TINY ? 0 : (bitsOf(exact) + 0xffff) >>> 16;
  const inverse = inverseOf(bits);
  for (let i = 0; i < block.length; i++) to[i] = nearest(Math.fround(block[i]! * inverse));
  return bits;
}

/** Of several scales around max |w| / 8, of either sign (−8 exists, +8 does not), the one with the least squared error. */
function packQ4(block: Float32Array, to: Uint8Array): number {
  let most = 0;
  for (const value of block) if (Math.abs(value) > Math.abs(most)) most = value;
  let best = 0;
  let least = Infinity;
  for (let step = 0; step < 8; step++) {
    // −8.25 … −6.5 levels for the largest, which then lies at the end of the range or a little outside.
    const bits = ((bitsOf(most / (-8.25 + 0.25 * step)) + 0x8000) >>> 16) & 0xffff;
    const error = errorQ4(block, bits);
    if (error < least) {
      least = error;
      best = bits;
    }
  }
  const inverse = inverseOf(best);
  const level = (i: number) => (i < block.length ? levelQ4(Math.fround(block[i]! * inverse)) : 8);
  for (let i = 0; i < 16; i++) to[i] = level(i) | (level(i + 16) << 4);
  return best;
}

function levelQ4(value: number): number {
  return Math.min(Math.max(nearest(value) + 8, 0), 15);
}

function errorQ4(block: Float32Array, bits: number): number {
  const scale = fromBits(bits);
  const inverse = inverseOf(bits);
  let error = 0;
  for (const value of block) {
    const difference = value - scale * (levelQ4(Math.fround(value * inverse)) - 8);
    error += difference * difference;
  }
  return error;
}
