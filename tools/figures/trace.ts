import { type Monoid, type ScanEvent, frames } from '@mamba2/scan';

/** What to draw. */
export interface TracePicture<T> {
  title: string;
  events: readonly ScanEvent<T>[];
  input: readonly T[];
  monoid: Monoid<T>;
  /** How a value is written into its circle. */
  show: (value: T) => string;
  /** Names of the scratch cells to show, by cell. */
  scratch?: Readonly<Record<number, string>>;
}

const column = 56;
const row = 54;
const radius = 17;

/**
 * A trace as an SVG: a row for each step, a column for each cell, a circle for each value written, filled where it was combined, with lines from
 * what it was made of. Everything drawn comes out of replaying the events.
 */
export function drawTrace<T>({ title, events, input, monoid, show, scratch = {} }: TracePicture<T>): string {
  const steps = [...frames(events, input, monoid)];
  const columns = [...input.keys(), ...Object.keys(scratch).map(Number)];
  const [left, top] = [96, 44];
  const [width, height] = [left + columns.length * column, top + (steps.length + 1) * row];
  const x = (cell: number): number => left + (columns.indexOf(cell) + 0.5) * column;
  const y = (step: number): number => top + (step + 0.5) * row;

  /** The row on which each cell's value was last written. */
  const since = new Map<number, number>(input.map((_, cell) => [cell, 0]));
  const [lines, circles, labels] = [[] as string[], [] as string[], [] as string[]];
  const circle = (cell: number, step: number, value: T, kind: string): void => {
    circles.push(`<circle class="${kind}" cx="${x(cell)}" cy="${y(step)}" r="${radius}"/>`);
    circles.push(`<text x="${x(cell)}" y="${y(step) + 4}" text-anchor="middle">${escape(show(value))}</text>`);
  };
  input.forEach((value, cell) => circle(cell, 0, value, 'input'));
  for (const [cell, name] of Object.entries(scratch)) {
    labels.push(
      `<text class="label" x="${x(Number(cell))}" y="${y(0) + 4}" text-anchor="middle">${escape(name)}</text>`,
    );
  }
  labels.push(`<text class="label" x="12" y="${y(0) + 4}">input</text>`);
  steps.forEach(({ step, events: group, cells: values }) => {
    labels.push(`<text class="label" x="12" y="${y(step + 1) + 4}">${escape(phasesOf(group))}</text>`);
    for (const event of group) {
      for (const from of sourcesOf(event)) {
        const start = since.get(from)!;
        const bend = event.kind === 'copy' ? 'copied' : 'combined';
        lines.push(
          `<path class="${bend}" d="M${x(from)} ${y(start)} V${y(step)} L${x(event.target)} ${y(step + 1)}"/>`,
        );
      }
    }
    for (const event of group) {
      since.set(event.target, step + 1);
      circle(event.target, step + 1, values[event.target] as T, event.kind === 'combine' ? 'new' : 'moved');
    }
  });

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t">`,
    `<title id="t">${escape(title)}</title>`,
    style,
    `<text class="title" x="12" y="24">${escape(title)}</text>`,
    ...lines,
    ...circles,
    ...labels,
    '</svg>',
    '',
  ].join('\n');
}

/** Colours for light pages and dark ones. */
export const style = `<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .label { fill: #656d76; }
  circle { stroke: #1f2328; fill: #ffffff; }
  .new { fill: #b6e3ff; }
  .moved { stroke-dasharray: 3 2; }
  path { fill: none; stroke: #8c959f; stroke-width: 1.4; }
  .copied { stroke-dasharray: 3 3; }
  .read { stroke-width: 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .label { fill: #8d96a0; }
    circle { stroke: #e6edf3; fill: #0d1117; }
    .new { fill: #0c4a7a; }
  }
</style>`;

function sourcesOf(event: ScanEvent<unknown>): number[] {
  if (event.kind === 'combine') return [event.left, event.right];
  return event.kind === 'copy' ? [event.from] : [];
}

function phasesOf(events: readonly ScanEvent<unknown>[]): string {
  return [...new Set(events.map((event) => event.phase))].join(', ');
}

/** Text as XML. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
