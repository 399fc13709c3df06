import {
  ArgumentError,
  type HostTensor,
  type SelectiveScanInput,
  ShapeError,
  expectNumber,
  expectShape,
  refuseUnknown,
  shapeText,
} from '@mamba2/core';

/** A selective scan whose shapes were checked, as contiguous float64 arrays; axes as in {@link SelectiveScanInput}. */
export interface SelectiveProblem {
  readonly b: number;
  readonly l: number;
  readonly d: number;
  readonly n: number;
  readonly u: Float64Array;
  /** before bias and softplus */
  readonly dt: Float64Array;
  readonly A: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  readonly D: Float64Array | undefined;
  readonly z: Float64Array | undefined;
  readonly bias: Float64Array | undefined;
  readonly dtSoftplus: boolean;
  /** (b, d, n) */
  readonly h0: Float64Array;
  /** (b) */
  readonly lengths: readonly number[];
}

const names = ['u', 'dt', 'A', 'B', 'C', 'D', 'z', 'dt_bias', 'dtSoftplus', 'initialStates', 'lengths'] as const;

/**
 * Checks shapes and copies every tensor into memory from `allocate`.
 * @throws ShapeError when shapes don't fit or l is 0; ArgumentError for an unknown name or a length past l
 */
export function selectiveProblem(
  input: SelectiveScanInput,
  allocate: (size: number) => Float64Array = (size) => new Float64Array(size),
): SelectiveProblem {
  refuseUnknown('the selective scan', input, names);
  const axes: Record<string, number> = {};
  const take = (what: Exclude<(typeof names)[number], 'dtSoftplus'>, pattern: string[]): Float64Array | undefined => {
    const tensor = input[what];
    if (!tensor) return undefined;
    expectShape(what, tensor, pattern, axes);
    return gather(tensor, allocate);
  };
  const u = take('u', ['b', 'l', 'd'])!;
  const dt = take('dt', ['b', 'l', 'd'])!;
  const A = take('A', ['d', 'n'])!;
  const B = take('B', ['b', 'l', 'n'])!;
  const C = take('C', ['b', 'l', 'n'])!;
  const D = take('D', ['d']);
  const z = take('z', ['b', 'l', 'd']);
  const bias = take('dt_bias', ['d']);
  const initial = take('initialStates', ['b', 'd', 'n']);
  const given = take('lengths', ['b']);
  const { b = 0, l = 0, d = 0, n = 0 } = axes;
  if (l < 1) throw new ShapeError('the selective scan', { given: `u ${shapeText(input.u.shape)}`, expected: 'l ≥ 1' });
  const lengths = Array.from({ length: b }, (_, i) =>
    expectNumber('lengths', given?.[i] ?? l, { min: 0, max: l, integer: true }),
  );
  const h0 = initial ?? allocate(b * d * n);
  return { b, l, d, n, u, dt, A, B, C, D, z, bias, dtSoftplus: input.dtSoftplus ?? false, h0, lengths };
}

/** What to throw when `exp(Δ A)` is not a finite number at an element of dt. */
export function badDecay({ l, d, dt, bias }: SelectiveProblem, element: number): ArgumentError {
  const [i, t, k] = [Math.floor(element / (l * d)), Math.floor(element / d) % l, element % d];
  return new ArgumentError('the selective scan: a decay exp(Δ A) is not finite', {
    given: `dt = ${dt[element]}, dt_bias = ${bias?.[k] ?? 0} at row ${i}, step ${t}, channel ${k}`,
    expected: 'a finite Δ ≥ 0 and finite A ≤ 0',
    fix: 'give `lengths` where the rest of a row is padding; A is −exp(A_log), not A_log',
  });
}

/** The elements of a view of up to three axes, row-major. */
function gather(t: HostTensor, allocate: (size: number) => Float64Array): Float64Array {
  const [j, k] = [t.shape.at(-2) ?? 1, t.shape.at(-1) ?? 1];
  const [sj, sk] = [t.shape.length > 1 ? t.strides.at(-2)! : 0, t.strides.at(-1) ?? 1];
  const i = t.shape.length > 2 ? t.shape[0]! : 1;
  const si = t.shape.length > 2 ? t.strides[0]! : 0;
  const out = allocate(i * j * k);
  let at = 0;
  for (let x = 0; x < i; x++) {
    for (let y = 0; y < j; y++) for (let w = 0; w < k; w++) out[at++] = t.data[t.offset + x * si + y * sj + w * sk]!;
  }
  return out;
}
