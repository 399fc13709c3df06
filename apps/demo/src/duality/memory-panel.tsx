import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import { Slider } from '../figures/choices.jsx';
import { Formula, k, o, row, sub, v } from '../figures/math.jsx';
import { percent, short } from '../figures/numerals.js';
import { type Preset, presets, presetSignal, remember, SAMPLES, stroke } from './memory.js';
import { text } from './text.js';

/** How many neighbours an arrow key takes along, fading. */
const BRUSH = 6;

/** HiPPO: a signal to draw, and what n coefficients keep of it. */
export function MemoryPanel() {
  const t = text.value;
  const signal = useSignal<Float64Array>(presetSignal('chirp'));
  const n = useSignal(16);
  const seen = useSignal(SAMPLES);
  const brush = useSignal(SAMPLES / 2);
  const last = useRef<readonly [number, number] | undefined>(undefined);
  const shown = useMemo(() => remember(signal.value, n.value, seen.value), [signal.value, n.value, seen.value]);

  const point = (event: JSX.TargetedPointerEvent<SVGSVGElement>): readonly [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = Math.floor(((event.clientX - box.left) / box.width) * SAMPLES);
    return [Math.min(Math.max(at, 0), SAMPLES - 1), 1.1 - (2.2 * (event.clientY - box.top)) / box.height];
  };
  const onDown = (event: JSX.TargetedPointerEvent<SVGSVGElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    onStroke(event, point(event));
  };
  const onStroke = (event: JSX.TargetedPointerEvent<SVGSVGElement>, from = last.current) => {
    if (!from) return;
    const to = point(event);
    signal.value = stroke(signal.value, from, to);
    brush.value = to[0];
    last.current = to;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const along = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
    const change = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
    if (along === undefined && change === undefined) return;
    event.preventDefault();
    if (along !== undefined) brush.value = Math.min(Math.max(brush.value + along, 0), SAMPLES - 1);
    else
      signal.value = signal.value.map((value, at) => {
        const distance = Math.abs(at - brush.value) / BRUSH;
        return distance > 2 ? value : Math.min(1, Math.max(-1, value + change! * Math.exp(-distance * distance)));
      });
  };
  const now = signal.value;
  return (
    <section class="figure-section" id="memory">
      <h2>{t.memoryTitle}</h2>
      <p>{t.memoryProse}</p>
      <div class="formulas">
        <Formula
          block
          parts={[
            <mfrac>
              {row(v('d'), v('c'))}
              {row(v('d'), v('t'))}
            </mfrac>,
            o('='),
            <mfrac>
              {k(1)}
              {v('t')}
            </mfrac>,
            o('('),
            v('A'),
            v('c'),
            o('+'),
            v('B'),
            v('x'),
            o(')'),
          ]}
        />
        <Formula
          block
          parts={[
            sub('A', 'kj'),
            o('='),
            o('−'),
            <msqrt>
              {row(o('('), k(2), v('k'), o('+'), k(1), o(')'), o('('), k(2), v('j'), o('+'), k(1), o(')'))}
            </msqrt>,
            <mspace width="0.6em" />,
            row(v('k'), o('>'), v('j')),
          ]}
        />
        <Formula block parts={[sub('A', 'kk'), o('='), o('−'), o('('), v('k'), o('+'), k(1), o(')')]} />
      </div>
      <div class="actions presets">
        <span class="soft">{t.presets}</span>
        {presets.map((preset: Preset) => (
          <button key={preset} type="button" onClick={() => (signal.value = presetSignal(preset))}>
            {t.presetNames[preset]}
          </button>
        ))}
      </div>
      <div class="figure-grid">
        <figure>
          <figcaption class="legend">
            <span class="key key-signal" /> {t.signalName} <span class="key key-line" />{' '}
            {t.rebuiltName(number(n.value))}
          </figcaption>
          <svg
            class="drawing"
            viewBox={`0 -1.1 ${SAMPLES} 2.2`}
            preserveAspectRatio="none"
            role="application"
            tabindex={0}
            aria-label={t.drawAlt(number(brush.value), short(now[brush.value]!, 2))}
            onPointerDown={onDown}
            onPointerMove={(event) => onStroke(event)}
            onPointerUp={() => (last.current = undefined)}
            onPointerCancel={() => (last.current = undefined)}
            onKeyDown={onKeyDown}
          >
            <path class="zero" d={`M0 0H${SAMPLES}`} />
            <path class="signal" d={path(now)} />
            <path class="rebuilt" d={path(shown.rebuilt)} />
            <path class="now" d={`M${seen.value} -1.1V1.1`} />
            <path class="brush" d={`M${brush.value + 0.5} ${-now[brush.value]! - 0.12}v0.24`} />
          </svg>
          <figcaption class="time">t →</figcaption>
        </figure>
        <div>
          <Slider label={t.coefficients} min={1} max={64} value={n.value} onInput={(value) => (n.value = value)} />
          <Slider
            label={t.seen}
            min={1}
            max={SAMPLES}
            value={seen.value}
            shown={percent(seen.value / SAMPLES)}
            onInput={(value) => (seen.value = value)}
          />
          <table class="facts">
            <tbody>
              <tr>
                <th scope="row">{t.memoryError}</th>
                <td data-test="memory-error">{short(shown.error)}</td>
              </tr>
            </tbody>
          </table>
          <figcaption>{t.coefficientsShown}</figcaption>
          <SignedBars values={shown.coefficients} />
        </div>
      </div>
      <p class="soft note">{t.memoryNote}</p>
    </section>
  );
}

/** The signal as a line; up is positive. */
function path(values: Float64Array): string {
  return `M${Array.from(values, (value, t) => `${t + 0.5} ${(-value).toFixed(4)}`).join('L')}`;
}

function SignedBars({ values }: { values: Float64Array }) {
  const t = text.value;
  const top = values.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-9);
  const list = Array.from(values, (value) => short(value, 2)).join(', ');
  return (
    <svg
      class="bars signed"
      viewBox={`0 -1 ${values.length} 2`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${t.coefficients}: ${list}`}
    >
      {Array.from(values, (value, at) => (
        <rect
          key={at}
          class={value < 0 ? 'negative' : undefined}
          x={at + 0.1}
          width="0.8"
          y={Math.min(0, -value / top)}
          height={Math.abs(value) / top}
        />
      ))}
    </svg>
  );
}
