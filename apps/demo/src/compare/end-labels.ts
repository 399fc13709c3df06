import type { Markish } from '@observablehq/plot';
import type { Form } from './sizes.js';

/** Pixels from one line of labels to the next. */
const LINE = 14;

export interface End {
  form: Form;
  l: number;
  value: number;
}

/**
 * Names beside the ends of lines on a logarithmic axis, moved apart where they would touch.
 * @param values all that is drawn: the axis spans them
 * @param pixels the height of the axis
 */
export function endLabels(
  plot: typeof import('@observablehq/plot'),
  ends: readonly End[],
  values: readonly number[],
  pixels: number,
  of: (form: Form) => { name: string; color: string },
): Markish[] {
  const span = Math.log(Math.max(...values) / Math.min(...values)) || 1;
  const places = ends.map(({ value }) => (-pixels * Math.log(value)) / span);
  const shifts = apart(places, LINE);
  return ends.map((end, i) =>
    plot.text([end], {
      x: 'l',
      y: 'value',
      text: () => of(end.form).name,
      fill: of(end.form).color,
      textAnchor: 'start',
      dx: 9,
      dy: shifts[i]!,
      fontWeight: 600,
    }),
  );
}

/** How far each of some places has to move so that any two are `gap` apart: neighbours that touch make a group, which spreads about its middle. */
export function apart(places: readonly number[], gap: number): number[] {
  const order = places.map((_, i) => i).sort((a, b) => places[a]! - places[b]!);
  let groups = order.map((i) => [i]);
  const middle = (group: readonly number[]) => group.reduce((sum, i) => sum + places[i]!, 0) / group.length;
  const first = (group: readonly number[]) => middle(group) - ((group.length - 1) * gap) / 2;
  for (let merged = true; merged;) {
    merged = false;
    const next: number[][] = [];
    for (const group of groups) {
      const before = next.at(-1);
      if (before && first(group) - (first(before) + (before.length - 1) * gap) < gap) {
        before.push(...group);
        merged = true;
      } else next.push([...group]);
    }
    groups = next;
  }
  const shifts = places.map(() => 0);
  for (const group of groups) for (const [k, i] of group.entries()) shifts[i] = first(group) + k * gap - places[i]!;
  return shifts;
}
