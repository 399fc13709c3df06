// The matrix products: a few rows of numbers that are broadcast against columns of vectors. Everything larger is made of them.
// Each element is summed in the order of k, whatever the tile: results do not depend on how work is cut among threads.
// Engines keep 15 vector registers for WebAssembly on x64: 9 sums, 3 vectors, 2 broadcast numbers and a product fit. V8 before its version 13 moves
// all loads of a block to its front and spills what then has no register (4 × 8 unrolled in one block: 28 GFLOP/s). A way out of the loop ends a block,
// because sums must be in their places there: with one behind every k, unrolled loops stay in registers and cost half the counting (38 → 44 GFLOP/s).

import { madd } from './simd';

/**
 * tile (3 × 12, row-major at `to`) += Σ_k a_r[k] · b[k, 0…11], k ≥ 1, 12 neighbouring numbers for every k at `b`. The ways out in the middle of a
 * step are never taken: without them three broadcast numbers would be loaded at once, one too many.
 */
export function tile3x12(to: usize, a0: usize, a1: usize, a2: usize, b: usize, k: u32): void {
  let c00 = v128.load(to, 0), c01 = v128.load(to, 16), c02 = v128.load(to, 32);
  let c10 = v128.load(to, 48), c11 = v128.load(to, 64), c12 = v128.load(to, 80);
  let c20 = v128.load(to, 96), c21 = v128.load(to, 112), c22 = v128.load(to, 128);
  let b0: v128, b1: v128, b2: v128, a: v128;
  for (;;) {
    b0 = v128.load(b); b1 = v128.load(b, 16); b2 = v128.load(b, 32);
    a = v128.load32_splat(a0); c00 = madd(a, b0, c00); c01 = madd(a, b1, c01); c02 = madd(a, b2, c02);
    if (k == 0) break;
    a = v128.load32_splat(a1); c10 = madd(a, b0, c10); c11 = madd(a, b1, c11); c12 = madd(a, b2, c12);
    a = v128.load32_splat(a2); c20 = madd(a, b0, c20); c21 = madd(a, b1, c21); c22 = madd(a, b2, c22);
    if (k == 1) break;
    b0 = v128.load(b, 48); b1 = v128.load(b, 64); b2 = v128.load(b, 80);
    a = v128.load32_splat(a0, 4); c00 = madd(a, b0, c00); c01 = madd(a, b1, c01); c02 = madd(a, b2, c02);
    if (k == 0) break;
    a = v128.load32_splat(a1, 4); c10 = madd(a, b0, c10); c11 = madd(a, b1, c11); c12 = madd(a, b2, c12);
    a = v128.load32_splat(a2, 4); c20 = madd(a, b0, c20); c21 = madd(a, b1, c21); c22 = madd(a, b2, c22);
    k -= 2;
    if (k == 0) break;
    a0 += 8; a1 += 8; a2 += 8; b += 96;
  }
  v128.store(to, c00, 0); v128.store(to, c01, 16); v128.store(to, c02, 32);
  v128.store(to, c10, 48); v128.store(to, c11, 64); v128.store(to, c12, 80);
  v128.store(to, c20, 96); v128.store(to, c21, 112); v128.store(to, c22, 128);
}

/** tile (4 × 8, row-major at `to`) = Σ_k a[k, 0…3] · b[k, 0…7], k ≥ 1: for every k four neighbours at `a`, eight at `b`. */
export function tile8(to: usize, a: usize, b: usize, k: u32): void {
  const none = f32x4.splat(0);
  let c00 = none, c01 = none, c10 = none, c11 = none, c20 = none, c21 = none, c30 = none, c31 = none;
  let b0: v128, b1: v128, r: v128;
  for (;;) {
    b0 = v128.load(b); b1 = v128.load(b, 16);
    r = v128.load32_splat(a); c00 = madd(r, b0, c00); c01 = madd(r, b1, c01);
    r = v128.load32_splat(a, 4); c10 = madd(r, b0, c10); c11 = madd(r, b1, c11);
    r = v128.load32_splat(a, 8); c20 = madd(r, b0, c20); c21 = madd(r, b1, c21);
    r = v128.load32_splat(a, 12); c30 = madd(r, b0, c30); c31 = madd(r, b1, c31);
    a += 16;
    if (k == 1) break;
    b0 = v128.load(b, 32); b1 = v128.load(b, 48);
    r = v128.load32_splat(a); c00 = madd(r, b0, c00); c01 = madd(r, b1, c01);
    r = v128.load32_splat(a, 4); c10 = madd(r, b0, c10); c11 = madd(r, b1, c11);
    r = v128.load32_splat(a, 8); c20 = madd(r, b0, c20); c21 = madd(r, b1, c21);
    r = v128.load32_splat(a, 12); c30 = madd(r, b0, c30); c31 = madd(r, b1, c31);
    a += 16;
    if (k == 2) break;
    b0 = v128.load(b, 64); b1 = v128.load(b, 80);
    r = v128.load32_splat(a); c00 = madd(r, b0, c00); c01 = madd(r, b1, c01);
    r = v128.load32_splat(a, 4); c10 = madd(r, b0, c10); c11 = madd(r, b1, c11);
    r = v128.load32_splat(a, 8); c20 = madd(r, b0, c20); c21 = madd(r, b1, c21);
    r = v128.load32_splat(a, 12); c30 = madd(r, b0, c30); c31 = madd(r, b1, c31);
    a += 16;
    if (k == 3) break;
    b0 = v128.load(b, 96); b1 = v128.load(b, 112);
    r = v128.load32_splat(a); c00 = madd(r, b0, c00); c01 = madd(r, b1, c01);
    r = v128.load32_splat(a, 4); c10 = madd(r, b0, c10); c11 = madd(r, b1, c11);
    r = v128.load32_splat(a, 8); c20 = madd(r, b0, c20); c21 = madd(r, b1, c21);
    r = v128.load32_splat(a, 12); c30 = madd(r, b0, c30); c31 = madd(r, b1, c31);
    a += 16;
    k -= 4;
    if (k == 0) break;
    b += 128;
  }
  v128.store(to, c00, 0); v128.store(to, c01, 16); v128.store(to, c10, 32); v128.store(to, c11, 48);
  v128.store(to, c20, 64); v128.store(to, c21, 80); v128.store(to, c30, 96); v128.store(to, c31, 112);
}
