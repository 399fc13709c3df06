import { useCallback } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import { Choices, Slider } from '../figures/choices.jsx';
import { powerOfTen } from '../figures/numerals.js';
import { Plot } from '../figures/plot.jsx';
import { noWebGpu } from '../model/webgpu.js';
import { Notice } from '../shell/notice.jsx';
import { OwnParagraphs, OwnWords } from '../shell/own-words.jsx';
import type { Measured } from './benchmark.js';
import { look } from './costs-panel.jsx';
import { endLabels } from './end-labels.js';
import { asCsv, asJson, download } from './export.js';
import { Measurements } from './measurements.jsx';
import { devices, type Form } from './sizes.js';
import { cancel, device, failure, progressOf, rounds, session, type Session, start, valid } from './state.js';
import { text } from './text.js';

/** The benchmark on the visitor's own device. */
export function BenchmarkPanel() {
  const t = text.value;
  const now = session.value;
  const running = now?.state === 'running';
  return (
    <section class="figure-section" id="benchmark">
      <h2>{t.benchTitle}</h2>
      <p>{t.benchProse}</p>
      <Choices
        legend={t.device}
        options={devices.map((each) => [each, t.devices[each]] as const)}
        value={device.value}
        barred={noWebGpu.value === 'none' ? { option: 'webgpu', why: t.noWebGpu } : undefined}
        onChoose={(value) => (device.value = value)}
      />
      <p class="soft">{t.aboutDevice[device.value]}</p>
      <div class="bench-controls">
        <Slider label={t.rounds} min={5} max={25} value={rounds.value} onInput={(value) => (rounds.value = value)} />
        <div class="actions">
          <button type="button" class="primary" disabled={running || !valid.value} onClick={start}>
            {t.run}
          </button>
          <button type="button" disabled={!running} onClick={cancel}>
            {t.cancel}
          </button>
        </div>
      </div>
      {failure.value && <Notice failure={failure.value} onDismiss={() => (failure.value = undefined)} />}
      {now && <Progress session={now} />}
      {now && (now.measured.length > 0 || now.refused.length > 0) && <Results session={now} />}
    </section>
  );
}

function Progress({ session }: { session: Session }) {
  const t = text.value;
  const { doing, opened, state } = session;
  const { done, all } = progressOf(session);
  return (
    <div class="bench-progress">
      <progress max={all} value={done} aria-label={t.progress(number(done), number(all))} />
      <p class="soft numbers" data-test="progress">
        {t.progress(number(done), number(all))}
        {doing && ` · ${t.doing(t.forms[doing.form], number(doing.l), t.steps[doing.step])}`}
      </p>
      <p role="status">
        {state === 'running' && !opened ? t.opening : t.state[state]}{' '}
        {opened && (
          <>
            {t.on} <OwnWords>{opened.device}</OwnWords>
          </>
        )}
      </p>
      {opened && opened.notes.length > 0 && (
        <OwnParagraphs>
          {opened.notes.map((note) => (
            <p key={note} class="soft note">
              {note}
            </p>
          ))}
        </OwnParagraphs>
      )}
    </div>
  );
}

/** The chart's height, margins of 54 included. */
const HEIGHT = 300;

function Results({ session }: { session: Session }) {
  const t = text.value;
  const { measured } = session;
  const draw = useCallback(
    (plot: typeof import('@observablehq/plot')) => ({
      marginLeft: 56,
      marginBottom: 34,
      marginRight: 76,
      x: { type: 'log' as const, base: 2, label: 'l →', labelAnchor: 'center' as const, tickFormat: 'd', ticks: 6 },
      y: { type: 'log' as const, grid: true, label: 'ms', ticks: 5, tickFormat: powerOfTen },
      symbol: { range: ['triangle', 'circle', 'square'], domain: ['ssm', 'ssd', 'attention'] },
      marks: [
        plot.ruleX(measured, {
          x: 'l',
          y1: (d: Measured) => Math.min(...d.samples),
          y2: (d: Measured) => Math.max(...d.samples),
          stroke: (d: Measured) => look[d.form].color,
          strokeOpacity: 0.5,
        }),
        plot.line(measured, {
          x: 'l',
          y: 'median',
          z: 'form',
          stroke: (d: Measured) => look[d.form].color,
          strokeWidth: 2,
        }),
        plot.dot(measured, { x: 'l', y: 'median', symbol: 'form', r: 4, fill: (d: Measured) => look[d.form].color }),
        ...endLabels(
          plot,
          lastOfEach(measured).map(({ form, l, median }) => ({ form, l, value: median })),
          measured.flatMap(({ samples }) => samples),
          HEIGHT - 54,
          (form) => ({ name: t.forms[form], color: look[form].color }),
        ),
      ],
    }),
    [measured, t],
  );
  const crossed = crossing(measured);
  const name = `mamba2-benchmark-${session.device}`;
  return (
    <>
      {measured.length > 0 && (
        <figure>
          <figcaption>{t.chart}</figcaption>
          <Plot label={t.chartAlt(number(measured.length))} draw={draw} height={HEIGHT} />
        </figure>
      )}
      {crossed && <p class="verdict">{t.crossing(t.between(number(crossed[0]), number(crossed[1])))}</p>}
      <div class="actions">
        <button
          type="button"
          disabled={measured.length === 0}
          onClick={() => download(`${name}.json`, 'application/json', asJson(session))}
        >
          {t.json}
        </button>
        <button
          type="button"
          disabled={measured.length === 0}
          onClick={() => download(`${name}.csv`, 'text/csv', asCsv(session))}
        >
          {t.csv}
        </button>
      </div>
      <Measurements session={session} />
    </>
  );
}

function lastOfEach(measured: readonly Measured[]): Measured[] {
  return [...new Map(measured.map((row) => [row.form, row])).values()];
}

/** The lengths between which SSD becomes faster than attention, if it does once and for good. */
function crossing(measured: readonly Measured[]): [number, number] | undefined {
  const times = (form: Form) => new Map(measured.flatMap((row) => (row.form === form ? [[row.l, row.median]] : [])));
  const [ssd, attention] = [times('ssd'), times('attention')];
  const lengths = [...ssd.keys()].filter((l) => attention.has(l));
  const ahead = lengths.map((l) => ssd.get(l)! < attention.get(l)!);
  const at = ahead.indexOf(true);
  if (at < 1 || ahead.slice(at).includes(false)) return undefined;
  return [lengths[at - 1]!, lengths[at]!];
}
