/** A small deterministic generator (mulberry32): uniform in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` numbers uniform in [low, high). */
export function uniform(count: number, low: number, high: number, seed: number): Float64Array {
  const random = randomFrom(seed);
  return Float64Array.from({ length: count }, () => low + (high - low) * random());
}

/** ‖x − ref‖ / ‖ref‖ over numbers of one length, with the place of the worst difference. */
export function relativeError(x: ArrayLike<number>, ref: ArrayLike<number>): { error: number; worst: number } {
  if (x.length !== ref.length) throw new Error(`${x.length} numbers against ${ref.length}`);
  let [difference, size, worst, most] = [0, 0, -1, -1];
  for (let i = 0; i < ref.length; i++) {
    const gap = Math.abs(x[i]! - ref[i]!);
    difference += gap * gap;
    size += ref[i]! * ref[i]!;
    if (!(gap <= most)) [worst, most] = [i, gap];
  }
  return { error: Math.sqrt(difference) / (Math.sqrt(size) || 1), worst };
}
