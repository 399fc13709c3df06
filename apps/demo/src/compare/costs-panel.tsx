import { useCallback } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import { powerOfTen } from '../figures/numerals.js';
import { Plot } from '../figures/plot.jsx';
import { endLabels } from './end-labels.js';
import { costsOf, fits, type Form, forms, lengthsUpTo, ranges, type Size } from './sizes.js';
import { fitting, size, valid } from './state.js';
import { text } from './text.js';

/** Colours of the three forms in charts, and shapes for those who see no colours. */
export const look: Readonly<Record<Form, { color: string; symbol: 'circle' | 'square' | 'triangle' }>> = {
  ssm: { color: 'var(--soft)', symbol: 'triangle' },
  ssd: { color: 'var(--accent)', symbol: 'circle' },
  attention: { color: 'var(--negative)', symbol: 'square' },
};

/** The chart's height, margins of 54 included. */
const HEIGHT = 260;

/** The sizes, and what the three forms cost at them. */
export function CostsPanel() {
  const t = text.value;
  return (
    <>
      <section class="panel sizes" aria-label={t.sizesTitle}>
        <div class="size-fields">
          {(Object.keys(ranges) as (keyof Size)[]).map((name) => (
            <SizeField key={name} name={name} />
          ))}
        </div>
        {Object.entries(ranges).map(([name, [min, max]]) =>
          fits({ ...smallest, [name]: size.value[name as keyof Size] }) ? null : (
            <p key={name} class="wrong" role="alert">
              {t.invalid(name, number(min), number(max))}
            </p>
          ),
        )}
      </section>
      <Costs />
    </>
  );
}

const smallest: Size = { l: 16, n: 1, p: 1, h: 1, q: 1 };

function SizeField({ name }: { name: keyof Size }) {
  const [min, max] = ranges[name];
  const value = size.value[name];
  return (
    <label>
      <span>{text.value.sizes[name]}</span>
      <input
        type="number"
        inputMode="numeric"
        min={min}
        max={max}
        value={Number.isFinite(value) ? value : undefined}
        aria-invalid={!fits({ ...smallest, [name]: value })}
        onInput={(event) => (size.value = { ...size.value, [name]: event.currentTarget.valueAsNumber })}
      />
    </label>
  );
}

function Costs() {
  const t = text.value;
  const now = fitting.value;
  const all = forms.map((form) => {
    const costs = costsOf(form, now);
    // SSD generates by the recurrence.
    const step = form === 'ssd' ? 'ssm' : form;
    const next = costsOf(step, { ...now, l: now.l + 1 }).multiplyAdds - costsOf(step, now).multiplyAdds;
    return { ...costs, next };
  });
  const draw = useCallback(
    (plot: typeof import('@observablehq/plot')) => {
      const points = forms.flatMap((form) =>
        lengthsUpTo(Math.max(now.l, 128)).map((l) => ({ form, l, value: costsOf(form, { ...now, l }).multiplyAdds })),
      );
      return {
        marginLeft: 56,
        marginBottom: 34,
        marginRight: 76,
        x: { type: 'log' as const, base: 2, label: 'l →', labelAnchor: 'center' as const, tickFormat: 'd', ticks: 6 },
        y: { type: 'log' as const, grid: true, label: null, ticks: 5, tickFormat: powerOfTen },
        marks: [
          plot.line(points, {
            x: 'l',
            y: 'value',
            z: 'form',
            stroke: (d: { form: Form }) => look[d.form].color,
            strokeWidth: 2,
          }),
          ...endLabels(
            plot,
            points.filter(({ l }) => l === Math.max(now.l, 128)),
            points.map(({ value }) => value),
            HEIGHT - 54,
            (form) => ({ name: t.forms[form], color: look[form].color }),
          ),
        ],
      };
    },
    [now, t],
  );
  return (
    <section class={valid.value ? 'figure-section' : 'figure-section costs-outdated'} id="costs">
      <h2>{t.costsTitle}</h2>
      <p>{t.costsProse}</p>
      <div class="figure-grid">
        <div>
          <div class="scroll-x" tabIndex={0} role="region" aria-label={t.costsTitle}>
            <table class="facts costs">
              <thead>
                <tr>
                  <td />
                  {forms.map((form) => (
                    <th key={form} scope="col" style={{ color: look[form].color }}>
                      {t.forms[form]}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {(Object.keys(t.rows) as (keyof typeof t.rows)[]).map((name) => (
                  <tr key={name}>
                    <th scope="row">{t.rows[name]}</th>
                    {all.map((costs, i) => (
                      <td
                        key={i}
                        data-test={`${forms[i]}-${name}`}
                        class={
                          best(
                            all.map((c) => c[name]),
                            i,
                          )
                            ? 'best'
                            : undefined
                        }
                      >
                        {number(costs[name])}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p class="soft note">{t.costsNote}</p>
        </div>
        <figure>
          <figcaption>{t.costsChart}</figcaption>
          <Plot label={t.costsChartAlt(number(now.l))} draw={draw} height={HEIGHT} />
        </figure>
      </div>
    </section>
  );
}

/** Least of its line, and not by sharing the place with all. */
function best(values: readonly number[], i: number): boolean {
  const least = Math.min(...values);
  return values[i] === least && values.some((value) => value > least);
}
