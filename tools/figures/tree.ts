import type { ScanEvent, SegmentTree } from '@mamba2/scan';

import { escape, style } from './trace.ts';

/** What to draw. */
export interface TreePicture<T> {
  title: string;
  tree: SegmentTree<T>;
  /** An update's events: the nodes they write are filled. */
  update: readonly ScanEvent<T>[];
  /** A query's events: the nodes they read have a thick edge. */
  query: readonly ScanEvent<T>[];
  /** How a value is written into its node. */
  show: (value: T) => string;
}

const column = 56;
const row = 62;

/** A segment tree as an SVG, the root on top, with what an update recomputed and what a query read. */
export function drawTree<T>({ title, tree, update, query, show }: TreePicture<T>): string {
  const levels = Math.log2(tree.leaves);
  const [width, height] = [24 + tree.leaves * column, 44 + (levels + 1) * row];
  const place = (k: number): [x: number, y: number] => {
    const { start, end } = tree.node(k);
    return [12 + ((start + end) / 2) * column, 44 + (Math.floor(Math.log2(k)) + 0.5) * row];
  };
  const written = new Set(update.map((event) => event.target));
  const read = new Set(query.flatMap((event) => (event.kind === 'combine' ? [event.left, event.right] : [])));
  const [lines, nodes] = [[] as string[], [] as string[]];
  for (let k = 1; k < 2 * tree.leaves; k++) {
    const [x, y] = place(k);
    const { value, cell } = tree.node(k);
    const classes = [written.has(cell) ? 'new' : '', read.has(cell) ? 'read' : ''].filter(Boolean).join(' ');
    if (k > 1) {
      const [px, py] = place(k >> 1);
      lines.push(`<path d="M${x} ${y} L${px} ${py}"/>`);
    }
    nodes.push(`<circle class="${classes}" cx="${x}" cy="${y}" r="20"/>`);
    nodes.push(`<text x="${x}" y="${y + 4}" text-anchor="middle">${escape(show(value))}</text>`);
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t">`,
    `<title id="t">${escape(title)}</title>`,
    style,
    `<text class="title" x="12" y="24">${escape(title)}</text>`,
    ...lines,
    ...nodes,
    '</svg>',
    '',
  ].join('\n');
}
