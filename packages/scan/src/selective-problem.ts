import {
  ArgumentError,
  type HostTensor,
  type SelectiveScanInput,
  expectNumber,
  gather,
  selectiveScanAxes,
  sizeOf,
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

/**
 * Checks shapes and copies every tensor into memory from `allocate`.
 * @throws ShapeError when shapes don't fit or l is 0; ArgumentError for an unknown name or a length past l
 */
export function selectiveProblem(
  input: SelectiveScanInput,
  allocate: (size: number) => Float64Array = (size) => new Float64Array(size),
): SelectiveProblem {
  const { b, l, d, n } = selectiveScanAxes(input);
  const take = (tensor: HostTensor): Float64Array => gather(tensor, allocate(sizeOf(tensor.shape)));
  const { D, z, dt_bias: bias, initialStates, lengths: ends } = input;
  const lengths = Array.from({ length: b }, (_, i) =>
    expectNumber('lengths', ends ? gather(ends)[i] : l, { min: 0, max: l, integer: true }),
  );
  return {
    b,
    l,
    d,
    n,
    u: take(input.u),
    dt: take(input.dt),
    A: take(input.A),
    B: take(input.B),
    C: take(input.C),
    D: D && take(D),
    z: z && take(z),
    bias: bias && take(bias),
    dtSoftplus: input.dtSoftplus ?? false,
    h0: initialStates ? take(initialStates) : allocate(b * d * n),
    lengths,
  };
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
