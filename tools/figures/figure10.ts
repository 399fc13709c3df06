import { chart, palette, picture } from './svg.ts';

/** What `bench/gpu-figure10.ts --json` prints, as far as the picture needs it. */
export interface MeasuredOperations {
  readonly device: string;
  readonly precision: string;
  readonly rows: readonly {
    readonly operation: string;
    readonly l: number;
    readonly n: number;
    readonly micros: number;
  }[];
}

const curves = [
  { operation: 'ssd', name: 'SSD', color: palette[0] },
  { operation: 'scan', name: 'selective scan', color: palette[1] },
  { operation: 'attention', name: 'softmax attention', color: palette[2] },
  { operation: 'quadratic', name: 'quadratic form', color: palette[3] },
] as const;

const [LENGTH, STATES] = [4096, 64];
const times = {
  from: 0.02,
  to: 50,
  log: true,
  ticks: [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50],
  label: 'milliseconds',
};

/** Time over the length (n = 64) and over the state size (l = 4096): the paper's Figure 10 on the device of the measurements. */
export function figure10({ device, precision, rows }: MeasuredOperations): string {
  const byLength = rows.filter(({ n }) => n === STATES);
  const measured = rows.filter(({ l, operation }) => l === LENGTH && operation !== 'quadratic');
  const lengths = distinct(byLength.map(({ l }) => l));
  const states = distinct(measured.map(({ n }) => n));
  // Attention has no state: its time is the same for every n.
  const byState = measured.flatMap((row) =>
    row.operation === 'attention' ? states.map((n) => ({ ...row, n })) : [row],
  );
  return picture(
    980,
    340,
    `Time of SSD, selective scan and softmax attention over the length and over the state size, ${device}`,
    chart(
      { x: 70, y: 40, width: 400, height: 240, title: `d_inner 4096, n = 64, ${precision}, WebGPU` },
      { from: lengths[0]!, to: lengths.at(-1)!, log: true, ticks: lengths, label: 'length' },
      times,
      curvesOf(byLength, ({ l }) => l),
    ),
    chart(
      { x: 560, y: 40, width: 400, height: 240, title: `the same, length ${LENGTH}` },
      { from: states[0]!, to: states.at(-1)!, log: true, ticks: states, label: 'state size n' },
      times,
      curvesOf(byState, ({ n }) => n),
    ),
  );
}

const distinct = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b);

type Row = MeasuredOperations['rows'][number];

function curvesOf(rows: readonly Row[], at: (row: Row) => number) {
  return curves.flatMap(({ operation, name, color }) => {
    const points = rows
      .filter((row) => row.operation === operation)
      .sort((a, b) => at(a) - at(b))
      .map((row) => [at(row), row.micros / 1000] as const);
    if (points.length === 0) return [];
    return [
      { points, color, name },
      { points, color, dots: 'filled' as const },
    ];
  });
}
