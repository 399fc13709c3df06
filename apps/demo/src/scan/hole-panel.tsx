import { useSignal } from '@preact/signals';
import { applyAffine, blelloch, linearRecurrence, scalarAffine } from '@mamba2/scan';
import { number } from '../i18n/i18n.js';
import { short } from '../figures/numerals.js';
import { NumberField } from './elements.jsx';
import type { Step } from './lanes.js';
import { elements, say } from './state.js';
import { text } from './text.js';

/** A half whose left state is unknown, as the map it is. */
export function HolePanel() {
  const t = text.value;
  const initial = useSignal(8);
  const filled = useSignal<number | 'left' | undefined>(undefined);
  const all = elements.value;
  if (!all) return null;
  const half = Math.floor(all.length / 2);
  const left = product(all.slice(0, half));
  const right = product(all.slice(half));
  const leaves = applyAffine(left, initial.value);
  const h = filled.value === 'left' ? leaves : filled.value;
  const known = h !== undefined && Number.isFinite(h);
  const loop = linearRecurrence(
    all.map(({ a }) => a),
    all.map(({ b }) => b),
    Number.isFinite(initial.value) ? initial.value : 0,
  ).at(-1)!;
  return (
    <section class="figure-section" id="hole">
      <h2>{t.holeTitle}</h2>
      <p>{t.holeProse}</p>
      <div class="hole">
        <div class="half">
          <h3>{t.holeLeft}</h3>
          <p class="soft numbers">{`0 … ${number(half - 1)}`}</p>
          <label>
            {t.initial}{' '}
            <NumberField label={t.initial} value={initial.value} onChange={(value) => (initial.value = value)} />
          </label>
          <p class="map">{`h ↦ ${say(left, false)}`}</p>
          <button type="button" class="primary" onClick={() => (filled.value = 'left')}>
            {t.fill}
          </button>
        </div>
        <div class={`slot ${known ? 'known' : ''}`}>
          <span class="soft">{t.unknown}</span>
          <strong data-test="hole">{known ? short(h) : '?'}</strong>
          <label>
            {t.tryOne}{' '}
            <NumberField
              label={t.tryOne}
              optional
              value={typeof filled.value === 'number' ? filled.value : NaN}
              onChange={(value) => (filled.value = Number.isFinite(value) ? value : undefined)}
            />
          </label>
          <button type="button" disabled={!known} onClick={() => (filled.value = undefined)}>
            {t.empty}
          </button>
        </div>
        <div class="half">
          <h3>{t.holeRight}</h3>
          <p class="soft numbers">{`${number(half)} … ${number(all.length - 1)}`}</p>
          <p class="map" data-test="right-map">
            {`${short(right.a)} · `}
            <span class={`gap ${known ? 'known' : ''}`}>{known ? short(h) : 'h'}</span>
            {` ${right.b < 0 ? '−' : '+'} ${short(Math.abs(right.b))}`}
          </p>
          <p role="status" data-test="filled">
            {known ? t.holeFilled(short(h), short(applyAffine(right, h))) : t.holeEmpty}
            {filled.value === 'left' && <> {t.holeSame(short(loop))}</>}
          </p>
        </div>
      </div>
    </section>
  );
}

/** The map of a stretch: the last of its scan. */
function product(steps: readonly Step[]): Step {
  return blelloch(scalarAffine, steps).at(-1) ?? scalarAffine.identity;
}
