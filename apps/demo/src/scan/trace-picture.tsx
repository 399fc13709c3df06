import type { ScanEvent } from '@mamba2/scan';
import { number } from '../i18n/i18n.js';
import type { Run, Step } from './lanes.js';
import { algorithm, kind, say } from './state.js';
import { short } from '../figures/numerals.js';
import { text } from './text.js';

/** Room for the names of the steps. */
const LEFT = 92;
const WIDTH = 72;
const HEIGHT = 62;
const BOX = { width: 66, height: 34 };

/** A row for each step, a column for each cell; lines from what was read to what was written. Rows to come keep their place. */
export function TracePicture({ run, step }: { run: Run; step: number }) {
  const t = text.value;
  const cells = Math.max(...run.frames.map(({ cells }) => cells.length), run.input.length);
  const rows = run.frames.length + 1;
  const [width, height] = [LEFT + cells * WIDTH, 26 + rows * HEIGHT];
  const done = finished(run);
  const name = t.algorithms[algorithm.value];
  return (
    <div
      class="trace-scroll"
      tabIndex={0}
      role="region"
      aria-label={t.traceAlt(name, t.stepOf(number(step), number(rows - 1)))}
    >
      <svg
        class="trace"
        viewBox={`0 0 ${width} ${height}`}
        style={{ minWidth: `${Math.min(width, 0.72 * width)}px`, maxWidth: `${width}px` }}
        aria-hidden="true"
      >
        {Array.from({ length: cells }, (_, cell) => (
          <text key={cell} class="column" x={x(cell)} y="14">
            {cell < run.input.length ? cell : `${t.scratch} ${cell}`}
          </text>
        ))}
        {Array.from({ length: rows }, (_, row) => {
          const frame = row > 0 ? run.frames[row - 1]! : undefined;
          const values: readonly (Step | undefined)[] = frame ? frame.cells : run.input;
          const targets = new Set(frame?.events.map(({ target }) => target));
          const phase =
            frame && [...new Set(frame.events.map((event) => t.phases[event.phase] ?? event.phase))].join(' + ');
          return (
            <g key={row} class={row > step ? 'to-come' : row === step ? 'now' : undefined}>
              <text class="phase" x="0" y={y(row) + 4}>
                {frame ? phase : t.input}
              </text>
              {frame?.events.map((event, i) => (
                <Lines key={i} event={event} row={row} />
              ))}
              {values.map((value, cell) =>
                value === undefined ? null : (
                  <Box
                    key={cell}
                    value={value}
                    cell={cell}
                    row={row}
                    written={targets.has(cell)}
                    done={done[row]!.has(cell)}
                  />
                ),
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

const x = (cell: number) => LEFT + cell * WIDTH + WIDTH / 2;
const y = (row: number) => 26 + row * HEIGHT + BOX.height / 2 + 4;

function Box({
  value,
  cell,
  row,
  written,
  done,
}: {
  value: Step;
  cell: number;
  row: number;
  written: boolean;
  done: boolean;
}) {
  const sum = kind.value === 'sum';
  return (
    <g class={`box ${written ? 'written' : ''} ${done ? 'done' : ''}`}>
      <rect x={x(cell) - BOX.width / 2} y={y(row) - BOX.height / 2} {...BOX} rx="5" />
      {sum ? (
        <text x={x(cell)} y={y(row) + 5}>
          {short(value.b)}
        </text>
      ) : (
        <>
          <text x={x(cell)} y={y(row) - 2}>{`${short(value.a)} h`}</text>
          <text x={x(cell)} y={y(row) + 12}>{`${value.b < 0 ? '−' : '+'} ${short(Math.abs(value.b))}`}</text>
        </>
      )}
      <title>{say(value)}</title>
    </g>
  );
}

function Lines({ event, row }: { event: ScanEvent<Step>; row: number }) {
  const line = (from: number, kept: boolean) => {
    const [x0, y0] = [x(from), y(row - 1) + BOX.height / 2];
    const [x1, y1] = [x(event.target), y(row) - BOX.height / 2];
    return <path class={kept ? 'kept' : 'moved'} d={`M${x0} ${y0}C${x0} ${y0 + 14} ${x1} ${y1 - 14} ${x1} ${y1}`} />;
  };
  if (event.kind === 'combine')
    return (
      <>
        {line(event.left, event.left === event.target)}
        {line(event.right, event.right === event.target)}
      </>
    );
  return event.kind === 'copy' ? line(event.from, false) : null;
}

/** For each row the cells that hold the product of everything up to them and keep it to the end. */
function finished(run: Run): Set<number>[] {
  const l = run.input.length;
  const last = Array.from({ length: l }, () => 0);
  run.frames.forEach(({ events }, i) => {
    for (const { target } of events) if (target < l) last[target] = i + 1;
  });
  return Array.from(
    { length: run.frames.length + 1 },
    (_, row) => new Set(last.flatMap((done, cell) => (done <= row ? [cell] : []))),
  );
}
