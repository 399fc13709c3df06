/** The figures of docs/scans.md, drawn from what the algorithms did: `npx tsx --conditions=@mamba2/source tools/figures/scans.ts`. */

import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { type ScanEvent, SegmentTree, blelloch, hillisSteele, reduceThenScan } from '@mamba2/scan';

import { drawTrace } from './trace.ts';
import { drawTree } from './tree.ts';

/** Letters under concatenation: every value shows what it was made of, in order. */
const text = { identity: '', combine: (earlier: string, later: string): string => earlier + later };
const letters = [...'abcdefgh'];

/** A run of letters as `a–d`, nothing as ε. */
function run(value: string): string {
  return value.length === 0 ? 'ε' : value.length < 3 ? value : `${value[0]}–${value.at(-1)}`;
}

/** Name → SVG. */
export function scanFigures(): Record<string, string> {
  const record = (compute: (trace: (event: ScanEvent<string>) => void) => void): ScanEvent<string>[] => {
    const events: ScanEvent<string>[] = [];
    compute((event) => events.push(event));
    return events;
  };
  const picture = { input: letters, monoid: text, show: run };

  const events: ScanEvent<string>[] = [];
  const tree = new SegmentTree(text, letters, { trace: (event) => events.push(event) });
  tree.update(2, 'C');
  tree.query(1, 7);

  return {
    'scan-hillis-steele': drawTrace({
      ...picture,
      title: 'Hillis–Steele: each step doubles how far back a cell has seen',
      events: record((trace) => hillisSteele(text, letters, { trace })),
    }),
    'scan-blelloch': drawTrace({
      ...picture,
      title: 'Blelloch, exclusive: products go up the tree, prefixes come down',
      events: record((trace) => blelloch(text, letters, { trace, exclusive: true })),
    }),
    'scan-reduce-then-scan': drawTrace({
      ...picture,
      input: [...'abcdefghi'],
      title: 'Reduce-then-scan in 3 chunks on 2 lanes: d, e and f are read twice',
      events: record((trace) => reduceThenScan(text, [...'abcdefghi'], { trace, chunks: 3 })),
      scratch: { 10: 'lane 1' },
    }),
    'scan-segment-tree': drawTree({
      title: 'Filled: recomputed as c became C. Thick: read for b … g',
      tree,
      update: events.filter((event) => event.phase === 'update'),
      query: events.filter((event) => event.phase === 'query'),
      show: run,
    }),
  };
}

/** Where the figures lie. */
export const figuresFolder = fileURLToPath(new URL('../../docs/figures/', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(figuresFolder, { recursive: true });
  for (const [name, svg] of Object.entries(scanFigures())) await writeFile(`${figuresFolder}${name}.svg`, svg);
}
