import { useSignal } from '@preact/signals';
import { useCallback, useEffect, useMemo } from 'preact/hooks';
import { costs } from '@mamba2/core';
import { number } from '../i18n/i18n.js';
import { Slider } from '../figures/choices.jsx';
import { HeatMap } from '../figures/heat-map.jsx';
import { duration, percent, short } from '../figures/numerals.js';
import { Plot } from '../figures/plot.jsx';
import { largestOf } from '../figures/shades.js';
import { Notice } from '../shell/notice.jsx';
import { runStop, type Stop, stopsOf } from './chunks.js';
import { measureStops, times, timing, timingFailure } from './measured-times.js';
import { factors, head, read } from './state.js';
import { text } from './text.js';

/** The slider from q = 1 to q = l: the same y, by ever larger blocks. */
export function ChunkSlider() {
  const t = text.value;
  const shown = head.value!;
  const { l, n, p } = shown;
  const names = read.value!.names;
  const stops = useMemo(() => stopsOf(l), [l]);
  const position = useSignal(Math.min(6, stops.length - 1));
  const at = Math.min(position.value, stops.length - 1);
  const q = stops[at]!;
  const stop = useMemo(() => runStop(shown, q), [shown, q]);
  const counts = useMemo(() => stops.map((each) => costs('ssd', { l, n, p, q: each }).multiplyAdds), [stops, n, p]);
  const ready = times.value?.head === shown ? times.value : undefined;
  useEffect(() => {
    // A head that is only passed by on the way to another is not measured.
    const wait = setTimeout(() => measureStops(shown, stops), 400);
    return () => clearTimeout(wait);
  }, [shown, stops]);
  const ms = ready?.measured.chunked;
  return (
    <section class="figure-section" id="chunks">
      <h2>{t.chunkTitle}</h2>
      <p>{t.chunkProse}</p>
      <Slider
        label={t.q}
        min={0}
        max={stops.length - 1}
        value={at}
        shown={t.qValue(number(q), number(l))}
        onInput={(value) => (position.value = value)}
      />
      <div class="figure-grid">
        <figure>
          <figcaption>{t.chunkCaption}</figcaption>
          <HeatMap
            label={t.chunkAlt(number(stop.chunks.length), number(q))}
            rows={l}
            columns={l}
            values={assembled(stop, l, factors.value!.M.data)}
            largest={largestOf(factors.value!.M.data)}
            names={{ rows: names, columns: names }}
          >
            <Blocks stop={stop} />
          </HeatMap>
          <States stop={stop} />
        </figure>
        <div>
          <table class="facts">
            <tbody>
              <Fact name={t.deviation} value={short(stop.deviation)} id="deviation" />
              <Fact name={t.blocks} value={number(stop.chunks.length)} />
              <Fact name={t.states} value={number(stop.chunks.length - 1)} />
              <Fact name={t.multiplyAdds} value={number(stop.costs.multiplyAdds)} id="multiply-adds" />
              <Fact name={t.matmulShare} value={percent(stop.costs.matrixProducts / stop.costs.multiplyAdds)} />
              <Fact name={t.depth} value={number(stop.costs.depth)} />
              <Fact name={t.measured} value={ms ? duration(ms[at]!) : t.measuring} id="measured" />
            </tbody>
          </table>
          <figure class="output-map">
            <figcaption>{t.output}</figcaption>
            <HeatMap label={t.output} rows={p} columns={l} values={transposed(stop.y, l, p)} />
          </figure>
          <figcaption>
            <strong>{t.chartCosts}</strong> · {t.chartLeast(number(leastStop(stops, counts)))}
          </figcaption>
          <Curve
            stops={stops}
            values={counts}
            at={at}
            label={t.costsAlt(number(leastStop(stops, counts)), number(counts[0]!), number(counts.at(-1)!))}
          />
          <figcaption>
            <strong>{t.chartTimes}</strong>
            {ms && <> · {t.chartLeast(number(leastStop(stops, ms)))}</>}
          </figcaption>
          {ms ? (
            <Curve stops={stops} values={ms} at={at} label={t.timesAlt(number(leastStop(stops, ms)))} />
          ) : (
            <div class="curve-wait soft">{t.measuring}</div>
          )}
          {ready && (
            <p class="soft note">
              {t.timesNote(duration(ready.measured.recurrent), duration(ready.measured.quadratic))}
            </p>
          )}
          <button type="button" disabled={timing.value} onClick={() => measureStops(shown, stops)}>
            {timing.value ? t.measuring : t.measure}
          </button>
          {timingFailure.value && <Notice failure={timingFailure.value} />}
        </div>
      </div>
    </section>
  );
}

/** The matrix as the call had it: its diagonal blocks from the trace, and below them M faintly, for it was never formed. */
function assembled(stop: Stop, l: number, M: Float64Array): Float64Array {
  const shown = M.map((value) => value / 12);
  for (const { start, end, block } of stop.chunks) {
    for (let j = start; j < end; j++) {
      for (let i = start; i < end; i++) shown[j * l + i] = block.data[(j - start) * (end - start) + i - start]!;
    }
  }
  return shown;
}

/** (l, p) as (p, l): time from left to right. */
function transposed(y: Float64Array, l: number, p: number): Float64Array {
  return Float64Array.from(y, (_, at) => y[(at % l) * p + Math.floor(at / l)]!);
}

/** Outlines of the blocks on the diagonal, and hatching on those below. */
function Blocks({ stop: { chunks } }: { stop: Stop }) {
  return (
    <>
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="scale(0.2) rotate(45)">
          <path d="M0 0V6" class="hatch" />
        </pattern>
      </defs>
      {chunks.slice(1).map(({ start, end }) => (
        <rect key={start} x="0" y={start} width={start} height={end - start} fill="url(#hatch)" />
      ))}
      {chunks.slice(1).map(({ start }) => (
        <path key={start} class="block-line" d={`M0 ${start}H${start}`} />
      ))}
      {chunks.map(({ start, end }) => (
        <rect key={start} class="block" x={start} y={start} width={end - start} height={end - start} />
      ))}
    </>
  );
}

/** The states between chunks, at most a dozen of them drawn. */
function States({ stop: { chunks } }: { stop: Stop }) {
  const t = text.value;
  const carried = chunks.slice(0, -1);
  if (carried.length === 0) return <p class="soft note">{t.noStates}</p>;
  const step = Math.ceil(carried.length / 12);
  const drawn = carried.filter((_, c) => (c + 1) % step === 0 || carried.length <= 12);
  const largest = Math.max(...drawn.map(({ leaving }) => largestOf(leaving.data)));
  return (
    <figure class="states">
      <figcaption>{t.stateCaption}</figcaption>
      <div class="states-row" role="group" aria-label={t.stateAlt(number(carried.length))}>
        {drawn.map(({ end, leaving }) => (
          <div key={end} class="state">
            <HeatMap
              label={`t = ${end}`}
              rows={leaving.shape[0]!}
              columns={leaving.shape[1]!}
              values={leaving.data}
              largest={largest}
            />
            <span class="soft">{end}</span>
          </div>
        ))}
      </div>
    </figure>
  );
}

function Fact({ name, value, id }: { name: string; value: string; id?: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td data-test={id}>{value}</td>
    </tr>
  );
}

/** Where a curve is lowest. */
function leastStop(stops: readonly number[], values: readonly number[]): number {
  return stops[values.indexOf(Math.min(...values))]!;
}

function Curve({
  stops,
  values,
  at,
  label,
}: {
  stops: readonly number[];
  values: readonly number[];
  at: number;
  label: string;
}) {
  const draw = useCallback(
    (plot: typeof import('@observablehq/plot')) => {
      const points = stops.map((q, s) => ({ q, value: values[s]! }));
      const least = values.indexOf(Math.min(...values));
      return {
        marginLeft: 62,
        marginBottom: 32,
        x: { type: 'log' as const, base: 2, label: 'q →', ticks: 6, tickFormat: 'd' },
        y: { zero: true, grid: true, ticks: 4, label: null, tickFormat: (d: number) => short(d, 2) },
        marks: [
          plot.line(points, { x: 'q', y: 'value', stroke: 'var(--accent)', strokeWidth: 1.8 }),
          plot.dot(points, { x: 'q', y: 'value', r: 2.5, fill: 'var(--accent)' }),
          plot.dot([points[least]!], { x: 'q', y: 'value', r: 6, stroke: 'var(--negative)', strokeWidth: 2 }),
          plot.dot([points[at]!], { x: 'q', y: 'value', r: 5, fill: 'var(--ink)' }),
        ],
      };
    },
    [stops, values, at],
  );
  return <Plot label={label} draw={draw} height={150} />;
}
