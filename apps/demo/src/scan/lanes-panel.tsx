import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import { Choices, Slider } from '../figures/choices.jsx';
import { short } from '../figures/numerals.js';
import { algorithms, type Run } from './lanes.js';
import { Elements } from './elements.jsx';
import { algorithm, kind, lanes, length, MOST, run, say } from './state.js';
import { text } from './text.js';
import { TracePicture } from './trace-picture.jsx';

/** Milliseconds between two steps while playing. */
const BEAT = 900;

/** The algorithms on lanes: a trace, and a player for it. */
export function LanesPanel() {
  const t = text.value;
  const shown = run.value;
  const steps = shown?.frames.length ?? 0;
  const step = useSignal(0);
  const playing = useSignal(false);
  const at = Math.min(step.value, steps);
  useEffect(() => {
    step.value = 0;
    playing.value = false;
  }, [algorithm.value, length.value, lanes.value]);
  useEffect(() => {
    if (!playing.value) return;
    const timer = setInterval(() => {
      if (step.value < steps) step.value++;
      if (step.value >= steps) playing.value = false;
    }, BEAT);
    return () => clearInterval(timer);
  }, [playing.value, steps]);
  const go = (to: number) => {
    playing.value = false;
    step.value = Math.min(Math.max(to, 0), steps);
  };
  const play = () => {
    if (at >= steps) step.value = 0;
    playing.value = !playing.value;
  };
  return (
    <section class="figure-section" id="lanes">
      <h2>{t.lanesTitle}</h2>
      <p>{t.lanesProse}</p>
      <Choices
        legend={t.algorithm}
        options={algorithms.map((each) => [each, t.algorithms[each]] as const)}
        value={algorithm.value}
        onChoose={(value) => (algorithm.value = value)}
      />
      <p class="soft">{t.about[algorithm.value]}</p>
      <div class="scan-settings">
        <Choices
          legend={t.numbers}
          options={[
            ['sum', t.sum],
            ['recurrence', t.recurrence],
          ]}
          value={kind.value}
          onChoose={(value) => (kind.value = value)}
        />
        <Slider label={t.length} min={2} max={MOST} value={length.value} onInput={(value) => (length.value = value)} />
        {algorithm.value === 'reduceThenScan' && (
          <Slider label={t.lanes} min={1} max={6} value={lanes.value} onInput={(value) => (lanes.value = value)} />
        )}
      </div>
      <Elements />
      {shown ? (
        <>
          <div class="player actions">
            <button type="button" aria-label={t.first} disabled={at === 0} onClick={() => go(0)}>
              «
            </button>
            <button type="button" aria-label={t.back} disabled={at === 0} onClick={() => go(at - 1)}>
              ‹
            </button>
            <button type="button" class="primary" onClick={play}>
              {playing.value ? t.pause : t.play}
            </button>
            <button type="button" aria-label={t.forward} disabled={at === steps} onClick={() => go(at + 1)}>
              ›
            </button>
            <button type="button" aria-label={t.last} disabled={at === steps} onClick={() => go(steps)}>
              »
            </button>
            <Slider
              label={t.step}
              min={0}
              max={steps}
              value={at}
              shown={t.stepOf(number(at), number(steps))}
              onInput={go}
            />
          </div>
          <TracePicture run={shown} step={at} />
          <Events run={shown} step={at} />
          <Facts run={shown} />
        </>
      ) : (
        <p role="status">{t.notNumber}</p>
      )}
    </section>
  );
}

/** What the step did, in words. */
function Events({ run, step }: { run: Run; step: number }) {
  const t = text.value;
  const events = step === 0 ? [] : run.frames[step - 1]!.events;
  return (
    <div class="events" aria-live="polite" data-test="events">
      {step === 0 && <p class="soft">{t.start}</p>}
      <ul>
        {events.map((event, i) => {
          const [target, value] = [number(event.target), say(event.value)];
          return (
            <li key={i}>
              {event.kind === 'combine'
                ? t.combined(target, number(event.left), number(event.right), value)
                : event.kind === 'copy'
                  ? t.copied(target, number(event.from), value)
                  : t.cleared(target, value)}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Facts({ run }: { run: Run }) {
  const t = text.value;
  const loop = run.input.length - 1;
  const rows: [string, string, string?][] = [
    [t.work, t.workTimes(number(run.combines), short(run.combines / loop, 2)), 'work'],
    [t.depth, number(run.steps), 'depth'],
    [t.speedup, number(loop)],
    [t.lanesUsed, number(run.lanes), 'lanes-used'],
    [t.same, short(run.difference), 'same'],
    // A map stays in one line.
    [t.result, run.result.map((map) => say(map).replaceAll(' ', '\u00a0')).join(', '), 'result'],
  ];
  return (
    <table class="facts">
      <tbody>
        {rows.map(([name, value, id]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td data-test={id}>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
