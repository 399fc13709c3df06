import { useSignal } from '@preact/signals';
import { useCallback, useMemo } from 'preact/hooks';
import { Slider } from '../figures/choices.jsx';
import { HeatMap } from '../figures/heat-map.jsx';
import { short } from '../figures/numerals.js';
import { Plot } from '../figures/plot.jsx';
import { pokeHead } from './impulse.js';
import { factors, head, read } from './state.js';
import { text } from './text.js';

/** One input poked: the recurrence's answer, over the column of M that it is. */
export function ImpulsePanel() {
  const t = text.value;
  const shown = head.value!;
  const { l } = shown;
  const names = read.value!.names;
  const M = factors.value!.M.data;
  const first = useSignal(Math.floor(l / 4));
  const size = useSignal(10);
  const twice = useSignal(false);
  const second = useSignal(Math.floor(l / 2));
  const at = Math.min(first.value, l - 1);
  const other = Math.min(second.value, l - 1);
  const both = twice.value;
  const response = useMemo(
    () => pokeHead(shown, M, [{ at, size: size.value / 10 }, ...(both ? [{ at: other, size: 1 }] : [])]),
    [shown, M, at, size.value, both, other],
  );
  const draw = useCallback(
    (plot: typeof import('@observablehq/plot'), width: number) => {
      const points = Array.from(response.together, (y, j) => ({ j, y }));
      const column = names.map((_, j) => ({ j, y: (size.value / 10) * M[j * l + at]! }));
      const single = both ? Array.from(response.alone[1]!, (y, j) => ({ j, y })) : [];
      const every = Math.ceil((l * 12) / width);
      return {
        marginLeft: 52,
        marginBottom: 60,
        x: {
          domain: [-0.5, l - 0.5],
          ticks: names.flatMap((_, j) => (j % every === 0 ? [j] : [])),
          tickFormat: (j: number) => names[j] ?? '',
          tickRotate: -90,
          tickSize: 0,
          label: null,
        },
        y: { grid: true, ticks: 4, label: 'y', tickFormat: (d: number) => short(d, 2) },
        marks: [
          plot.ruleY([0], { stroke: 'var(--line)' }),
          plot.ruleX([at, ...(both ? [other] : [])], { stroke: 'var(--soft)', strokeDasharray: '2 3' }),
          plot.ruleX(points, { x: 'j', y: 'y', stroke: 'var(--accent)', strokeWidth: 3 }),
          plot.dot(column, { x: 'j', y: 'y', r: 3.6, stroke: 'var(--negative)', strokeWidth: 1.6 }),
          plot.dot(single, { x: 'j', y: 'y', r: 2, fill: 'var(--soft)' }),
        ],
      };
    },
    [response, names, M, l, at, other, both, size.value],
  );
  return (
    <section class="figure-section" id="impulse">
      <h2>{t.impulseTitle}</h2>
      <p>{t.impulseProse}</p>
      <div class="figure-grid">
        <figure>
          <figcaption class="legend">
            <span class="key key-line" /> {t.byRecurrence} <span class="key key-ring" /> {t.byColumn}
          </figcaption>
          <Plot label={t.impulseAlt(names[at]!)} draw={draw} height={260} />
          <table class="facts">
            <tbody>
              <tr>
                <th scope="row">{t.fromColumn}</th>
                <td data-test="from-column">{short(response.fromColumn)}</td>
              </tr>
              <tr>
                <th scope="row">{t.before}</th>
                <td data-test="before">{short(response.before)}</td>
              </tr>
              {both && (
                <tr>
                  <th scope="row">{t.fromSum}</th>
                  <td data-test="from-sum">{short(response.fromSum)}</td>
                </tr>
              )}
            </tbody>
          </table>
        </figure>
        <div>
          <Slider
            label={t.pokeAt}
            min={0}
            max={l - 1}
            value={at}
            shown={t.quoted(names[at]!)}
            onInput={(value) => (first.value = value)}
          />
          <Slider
            label={t.size}
            min={-20}
            max={20}
            value={size.value}
            shown={short(size.value / 10)}
            onInput={(value) => (size.value = value)}
          />
          <label class="check">
            <input type="checkbox" checked={both} onChange={(event) => (twice.value = event.currentTarget.checked)} />{' '}
            {t.second}
          </label>
          {both && (
            <Slider
              label={t.secondAt}
              min={0}
              max={l - 1}
              value={other}
              shown={t.quoted(names[other]!)}
              onInput={(value) => (second.value = value)}
            />
          )}
          <div class="small-map">
            <HeatMap
              label={t.pokeMap(names[at]!)}
              rows={l}
              columns={l}
              values={M}
              onDrag={(_, to) => (first.value = to[1])}
              onArrow={(_, right) => {
                first.value = Math.min(Math.max(at + right, 0), l - 1);
                return true;
              }}
            >
              <rect class="block" x={at} y="0" width="1" height={l} />
              {both && <rect class="block second" x={other} y="0" width="1" height={l} />}
            </HeatMap>
          </div>
        </div>
      </div>
    </section>
  );
}
