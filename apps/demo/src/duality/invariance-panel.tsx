import { useSignal } from '@preact/signals';
import { useCallback, useMemo } from 'preact/hooks';
import { Slider } from '../figures/choices.jsx';
import { HeatMap } from '../figures/heat-map.jsx';
import { percent, short } from '../figures/numerals.js';
import { Plot } from '../figures/plot.jsx';
import { breakInvariance, type Held } from './invariance.js';
import { Bars } from './matrix-panel.jsx';
import { head, read } from './state.js';
import { text } from './text.js';

/** Steps of the slider to each doubling of Δ. */
const FINE = 4;

/** Below this the error is rounding: the FFT of some hundred float64 numbers. */
const ROUNDING = 1e-9;

/** Δ, B and C held, so that the head is a convolution; and one Δ moved, so that it is none. */
export function InvariancePanel() {
  const t = text.value;
  const whole = head.value!;
  const { l } = whole;
  const names = read.value!.names;
  const held = useSignal<Held>({ delta: true, B: true, C: true });
  const token = useSignal(Math.floor(l / 3));
  const move = useSignal(0);
  const at = Math.min(token.value, l - 1);
  const factor = 2 ** (move.value / FINE);
  const shown = useMemo(
    () => breakInvariance(whole, held.value, move.value === 0 ? undefined : { at, factor }),
    [whole, held.value, at, move.value, factor],
  );
  const setMove = (value: number) => (move.value = Math.min(Math.max(value, -4 * FINE), 4 * FINE));
  const arrow = (down: number, right: number) => {
    if (right !== 0) token.value = Math.min(Math.max(at + right, 0), l - 1);
    else setMove(move.value - down);
    return true;
  };
  const draw = useCallback(
    (plot: typeof import('@observablehq/plot')) => {
      const series = (values: Float64Array) => Array.from(values, (y, j) => ({ j, y }));
      return {
        marginLeft: 52,
        marginBottom: 34,
        x: { label: `${t.nudgeAt} →`, ticks: 6, tickFormat: 'd' },
        y: { grid: true, ticks: 4, label: 'y', tickFormat: (d: number) => short(d, 2) },
        marks: [
          plot.ruleX([at], { stroke: 'var(--soft)', strokeDasharray: '2 3' }),
          plot.line(series(shown.recurrent), { x: 'j', y: 'y', stroke: 'var(--accent)', strokeWidth: 2 }),
          plot.dot(series(shown.convolution), { x: 'j', y: 'y', r: 3, stroke: 'var(--negative)', strokeWidth: 1.5 }),
        ],
      };
    },
    [shown, at, t],
  );
  const agrees = shown.error < ROUNDING;
  return (
    <section class="figure-section" id="invariance">
      <h2>{t.invarianceTitle}</h2>
      <p>{t.invarianceProse}</p>
      <fieldset class="choices checks">
        <legend>{t.hold}</legend>
        {(['delta', 'B', 'C'] as const).map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={held.value[name]}
              onChange={(event) => (held.value = { ...held.value, [name]: event.currentTarget.checked })}
            />
            {name === 'delta' ? 'Δ' : name}
          </label>
        ))}
      </fieldset>
      <div class="figure-grid">
        <figure>
          <HeatMap
            label={t.invarianceAlt(percent(shown.spread))}
            rows={l}
            columns={l}
            values={shown.M.data}
            names={{ rows: names, columns: names }}
            shadeKey
            onArrow={arrow}
            onDrag={(from, to) => {
              token.value = from[1];
              setMove(Math.round((from[0] - to[0]) / 2));
            }}
            below={
              <>
                <Bars values={shown.head.delta} names={names} at={at} label={t.delta} />
                <figcaption>
                  <strong>{t.delta}</strong>
                </figcaption>
              </>
            }
          >
            <rect class="block" x={at} y="0" width="1" height={l} />
          </HeatMap>
        </figure>
        <div>
          <Slider
            label={t.nudgeAt}
            min={0}
            max={l - 1}
            value={at}
            shown={t.quoted(names[at]!)}
            onInput={(value) => (token.value = value)}
          />
          <Slider
            label={t.nudge}
            min={-4 * FINE}
            max={4 * FINE}
            value={move.value}
            shown={`× ${short(factor)}`}
            onInput={setMove}
          />
          <button type="button" disabled={move.value === 0} onClick={() => setMove(0)}>
            {t.undoNudge}
          </button>
          <table class="facts">
            <tbody>
              <tr>
                <th scope="row">{t.fftError}</th>
                <td data-test="fft-error" class={agrees ? undefined : 'off'}>
                  {short(shown.error)}
                </td>
              </tr>
              <tr>
                <th scope="row">{t.spread}</th>
                <td data-test="spread">{short(shown.spread)}</td>
              </tr>
            </tbody>
          </table>
          <p class="verdict" role="status">
            {agrees ? t.toeplitzYes : t.toeplitzNo}
          </p>
          <figcaption class="legend">
            <span class="key key-line" /> {t.byRecurrence} <span class="key key-ring" /> {t.byFft}
          </figcaption>
          <Plot label={t.outputAlt} draw={draw} height={170} />
        </div>
      </div>
    </section>
  );
}
