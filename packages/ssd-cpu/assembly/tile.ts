// The matrix products: a few rows of numbers that are broadcast against columns of vectors. Everything larger is made of them.
// Each element is summed in the order of k, whatever the tile: results do not depend on how work is cut among threads.
// Engines keep 15 vector registers for WebAssembly on x64: 9 sums, 3 vectors, a broadcast number and a product fit. None is unrolled: loads then
// move ahead of what uses them until registers run out (measured: 41 against 28 GFLOP/s).

import { madd } from './simd';

/**
 * tile (3 × 12, row-major at `to`) += Σ_k a_r[k] · b[k, 0…11], 12 neighbouring numbers for every k at `b`.
 */
export function tile3x12(to: usize, a0: usize, a1: usize, a2: usize, b: usize, k: u32): void {
  let c00 = v128.load(to, 0), c01 = v128.load(to, 16), c02 = v128.load(to, 32);
  let c10 = v128.load(to, 48), c11 = v128.load(to, 64), c12 = v128.load(to, 80);
  let c20 = v128.load(to, 96), c21 = v128.load(to, 112), c22 = v128.load(to, 128);
  for (; k > 0; k--) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32);
    let a = v128.load32_splat(a0); c00 = madd(a, b0, c00); c01 = madd(a, b1, c01); c02 = madd(a, b2, c02);
    a = v128.load32_splat(a1); c10 = madd(a, b0, c10); c11 = madd(a, b1, c11); c12 = madd(a, b2, c12);
    a = v128.load32_splat(a2); c20 = madd(a, b0, c20); c21 = madd(a, b1, c21); c22 = madd(a, b2, c22);
    a0 += 4; a1 += 4; a2 += 4; b += 48;
  }
  v128.store(to, c00, 0); v128.store(to, c01, 16); v128.store(to, c02, 32);
  v128.store(to, c10, 48); v128.store(to, c11, 64); v128.store(to, c12, 80);
  v128.store(to, c20, 96); v128.store(to, c21, 112); v128.store(to, c22, 128);
}

/** tile (4 × 8, row-major at `to`) += Σ_k a[k, 0…3] · b[k, 0…7]: for every k four neighbours at `a`, eight at `b`. */
export function tile8(to: usize, a: usize, b: usize, k: u32): void {
  let c00 = v128.load(to, 0), c01 = v128.load(to, 16), c10 = v128.load(to, 32), c11 = v128.load(to, 48);
  let c20 = v128.load(to, 64), c21 = v128.load(to, 80), c30 = v128.load(to, 96), c31 = v128.load(to, 112);
  for (; k > 0; k--) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let r = v128.load32_splat(a); c00 = madd(r, b0, c00); c01 = madd(r, b1, c01);
    r = v128.load32_splat(a, 4); c10 = madd(r, b0, c10); c11 = madd(r, b1, c11);
    r = v128.load32_splat(a, 8); c20 = madd(r, b0, c20); c21 = madd(r, b1, c21);
    r = v128.load32_splat(a, 12); c30 = madd(r, b0, c30); c31 = madd(r, b1, c31);
    a += 16; b += 32;
  }
  v128.store(to, c00, 0); v128.store(to, c01, 16); v128.store(to, c10, 32); v128.store(to, c11, 48);
  v128.store(to, c20, 64); v128.store(to, c21, 80); v128.store(to, c30, 96); v128.store(to, c31, 112);
}

/** A tile of 4 × 8 zeros. Stores, because engines call out for `memory.fill`, which takes as long as a short product. */
@inline
export function clear(to: usize): void {
  const none = f32x4.splat(0);
  for (let at: usize = 0; at < 128; at += 64) {
    v128.store(to + at, none); v128.store(to + at, none, 16); v128.store(to + at, none, 32); v128.store(to + at, none, 48);
  }
}
