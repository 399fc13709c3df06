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
] as const;

/** Time over length (n = 64): the paper's Figure 10, left, on the device of the measurement. */
export function figure10({ device, precision, rows }: MeasuredOperations): string {
  const shown = rows.filter(({ n }) => n === 64);
  const lengths = [...new Set(shown.map(({ l }) => l))].sort((a, b) => a - b);
  return picture(
    560,
    340,
    `Time of SSD, selective scan and softmax attention over the length, ${device}`,
    chart(
      { x: 70, y: 40, width: 460, height: 240, title: `d_inner 4096, n = 64, ${precision}, WebGPU` },
      { from: lengths[0]!, to: lengths.at(-1)!, log: true, ticks: lengths, label: 'length' },
      {
        from: 0.05,
        to: 10,
        log: true,
        ticks: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
        label: 'milliseconds',
      },
      curves.flatMap(({ operation, name, color }) => {
        const points = shown
          .filter((row) => row.operation === operation)
          .sort((a, b) => a.l - b.l)
          .map(({ l, micros }) => [l, micros / 1000] as const);
        return [
          { points, color, name },
          { points, color, dots: 'filled' as const },
        ];
      }),
    ),
  );
}
