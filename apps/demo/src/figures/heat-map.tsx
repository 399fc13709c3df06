import type { Signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { theme } from '../shell/theme.js';
import { short } from './numerals.js';
import { diverging, largestOf } from './shades.js';

/** A cell: row j, column i. */
export type Cell = readonly [number, number];

export interface HeatMapProps {
  /** What the matrix is, in words. */
  label: string;
  rows: number;
  columns: number;
  /** (rows, columns) */
  values: ArrayLike<number>;
  /** The number that gets full ink; the largest in the matrix by default. */
  largest?: number;
  /** The names of rows and columns, drawn where there is room for them. */
  names?: { readonly rows: readonly string[]; readonly columns: readonly string[] };
  /** The cell looked at: pointing sets it, so do arrow keys, and several maps may share it. */
  cursor?: Signal<Cell | undefined>;
  /** Says a cell in words, for screen readers. */
  describe?: (cell: Cell) => string;
  /** Only cells on or below the diagonal can be looked at. */
  lower?: boolean;
  /** Called while a rectangle is dragged, or grown with Shift and the arrow keys. */
  onDrag?: (from: Cell, to: Cell) => void;
  /** Takes the arrow keys instead of the cursor, where it returns true. */
  onArrow?: (rows: number, columns: number, event: KeyboardEvent) => boolean;
  /** Whether a key under the cells says what the colours stand for. */
  shadeKey?: boolean;
  /** Shown under the cells, as wide as they are: numbers of the columns. */
  below?: ComponentChildren;
  /** Drawn over the cells, in units of cells: SVG. */
  children?: ComponentChildren;
}

const arrows: Readonly<Record<string, Cell>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** A matrix as coloured cells: one canvas pixel a cell, scaled up by the browser, with SVG over it. */
export function HeatMap(props: HeatMapProps) {
  const { label, rows, columns, values, names, cursor, describe, children } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const dragging = useRef<Cell | undefined>(undefined);
  const outer = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const help = useId();
  const shown = theme.value;
  const largest = props.largest ?? largestOf(values);

  useEffect(() => paint(canvas.current!, rows, columns, values, largest), [rows, columns, values, largest, shown]);
  useEffect(() => {
    // The room there is, whether or not names take some of it: what is decided here must not change what it is decided by.
    const watcher = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    watcher.observe(outer.current!);
    return () => watcher.disconnect();
  }, []);

  const within = ([j, i]: Cell): Cell => {
    const row = Math.min(Math.max(j, 0), rows - 1);
    return [row, Math.min(Math.max(i, 0), props.lower ? row : columns - 1)];
  };
  const cellAt = (event: PointerEvent): Cell => {
    const box = canvas.current!.getBoundingClientRect();
    const j = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const i = Math.floor(((event.clientX - box.left) / box.width) * columns);
    return [Math.min(Math.max(j, 0), rows - 1), Math.min(Math.max(i, 0), columns - 1)];
  };
  const onPointer = (event: JSX.TargetedPointerEvent<HTMLElement>) => {
    const cell = cellAt(event);
    if (event.type === 'pointerdown' && props.onDrag) {
      event.currentTarget.setPointerCapture(event.pointerId);
      dragging.current = cell;
    }
    if (dragging.current && props.onDrag) props.onDrag(dragging.current, cell);
    else if (cursor) cursor.value = within(cell);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = arrows[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (props.onArrow?.(step[0], step[1], event) || !cursor) return;
    const [j, i] = cursor.value ?? [0, 0];
    cursor.value = within([j + step[0], i + step[1]]);
  };
  const at = cursor?.value;
  const cellSize = (0.94 * width) / columns;
  const named = names && cellSize >= 10.5;
  const interactive = cursor !== undefined || props.onArrow !== undefined;
  return (
    <div class={`heat-map ${named ? 'named' : ''}`} ref={outer}>
      {named && <Names which="columns" names={names.columns} cell={cellSize} at={at?.[1]} />}
      {named && <Names which="rows" names={names.rows} cell={cellSize} at={at?.[0]} />}
      <div
        class="cells"
        style={{ aspectRatio: `${columns} / ${rows}`, touchAction: props.onDrag ? 'none' : 'manipulation' }}
        {...(interactive
          ? { tabIndex: 0, role: 'application', 'aria-label': label, 'aria-describedby': help }
          : { role: 'img', 'aria-label': label })}
        onPointerDown={interactive ? onPointer : undefined}
        onPointerMove={interactive ? onPointer : undefined}
        onPointerUp={() => (dragging.current = undefined)}
        onPointerCancel={() => (dragging.current = undefined)}
        onKeyDown={interactive ? onKeyDown : undefined}
      >
        <canvas ref={canvas} width={columns} height={rows} aria-hidden="true" />
        <svg viewBox={`0 0 ${columns} ${rows}`} preserveAspectRatio="none" aria-hidden="true">
          {at && (
            <>
              <path class="crosshair" d={`M${at[1] + 0.5} 0V${rows}M0 ${at[0] + 0.5}H${columns}`} />
              <rect class="cursor" x={at[1]} y={at[0]} width="1" height="1" />
            </>
          )}
          {children}
        </svg>
      </div>
      <div class="below">
        {props.shadeKey && <ShadeKey values={values} largest={largest} />}
        {props.below}
      </div>
      {interactive && (
        <span class="visually-hidden" id={help} aria-live="polite">
          {at && describe?.(at)}
        </span>
      )}
    </div>
  );
}

/** Numbers of a key from end to end. */
const STEPS = 65;

/** The colours from the least number to the largest: from 0 where none is negative. */
function ShadeKey({ values, largest }: { values: ArrayLike<number>; largest: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = theme.value;
  const signed = Array.prototype.some.call(values, (value: number) => value < 0);
  const least = signed ? -largest : 0;
  useEffect(() => {
    const steps = Array.from({ length: STEPS }, (_, s) => least + ((largest - least) * s) / (STEPS - 1));
    paint(canvas.current!, 1, STEPS, steps, largest);
  }, [least, largest, shown]);
  return (
    <div class="shade-key" aria-hidden="true">
      {short(least, 2)}
      <canvas ref={canvas} width={STEPS} height={1} />
      {short(largest, 2)}
    </div>
  );
}

function Names({
  which,
  names,
  cell,
  at,
}: {
  which: 'rows' | 'columns';
  names: readonly string[];
  cell: number;
  at: number | undefined;
}) {
  return (
    <div class={`names names-${which}`} aria-hidden="true" style={{ fontSize: `${Math.min(12.5, 0.86 * cell)}px` }}>
      {names.map((name, t) => (
        <span key={t} class={t === at ? 'at' : undefined}>
          {name}
        </span>
      ))}
    </div>
  );
}

/** One pixel a cell; CSS scales them without smoothing. */
export function paint(
  canvas: HTMLCanvasElement,
  rows: number,
  columns: number,
  values: ArrayLike<number>,
  largest: number,
): void {
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(columns, rows);
  const shade = diverging();
  for (let at = 0; at < rows * columns; at++) {
    image.data.set(shade(values[at]! / largest), 4 * at);
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
