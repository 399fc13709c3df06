import { useSignal } from '@preact/signals';
import { useCallback, useMemo } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import { Choices } from '../figures/choices.jsx';
import { type Cell, HeatMap } from '../figures/heat-map.jsx';
import { powerOfTen, short } from '../figures/numerals.js';
import { Plot } from '../figures/plot.jsx';
import {
  type Block,
  bounded,
  fitBlock,
  type LensView,
  lookAt,
  type Mask,
  maskedMatrix,
  masks,
  meanDecay,
  withStates,
} from './lens.js';
import { head, read } from './state.js';
import { text } from './text.js';

/** Any block of M, under any mask: singular values, rank, factors. */
export function LensPanel() {
  const t = text.value;
  const whole = head.value!;
  const { l } = whole;
  const names = read.value!.names;
  const mask = useSignal<Mask>('ssd');
  const states = useSignal(4);
  const chosen = useSignal<Block | undefined>(undefined);
  const shown = useMemo(() => withStates(whole, states.value), [whole, states.value]);
  const matrix = useMemo(() => maskedMatrix(shown, mask.value), [shown, mask.value]);
  const block = chosen.value && chosen.value.j1 <= l ? chosen.value : quarter(l);
  const view = useMemo(
    () => lookAt(shown, mask.value, matrix, block),
    [shown, mask.value, matrix, block.j0, block.j1, block.i0, block.i1],
  );
  const counts = [1, 2, 4, 8, 16, 32, 64, 128, 256].filter((count) => count < whole.n);
  // A block's corner lies on the diagonal at best: its rows and columns share l + 1.
  const longest = Math.floor((l + 1) / 2);
  const drag = (from: Cell, to: Cell) => (chosen.value = fitBlock(l, [from[0], to[0]], [from[1], to[1]]));
  const arrow = (down: number, right: number, event: KeyboardEvent) => {
    const { j0, j1, i0, i1 } = block;
    // Shift moves the corner at the lower right; on its own an arrow moves the block, as far as it stays below the diagonal.
    if (event.shiftKey)
      chosen.value = fitBlock(l, [j0, Math.max(j0, j1 - 1 + down)], [i0, Math.max(i0, i1 - 1 + right)]);
    else if (j0 + down >= i1 + right - 1 && j1 + down <= l && i0 + right >= 0)
      chosen.value = { j0: j0 + down, j1: j1 + down, i0: i0 + right, i1: i1 + right };
    return true;
  };
  const where = t.block(number(block.j0), number(block.j1 - 1), number(block.i0), number(block.i1 - 1));
  const { maskProse } = t;
  const prose = mask.value === 'gamma' ? maskProse.gamma(short(meanDecay(whole))) : maskProse[mask.value];
  return (
    <section class="figure-section" id="lens">
      <h2>{t.lensTitle}</h2>
      <p>{t.lensProse}</p>
      {whole.n > longest && <p>{t.lensFew(number(l), number(longest), number(whole.n))}</p>}
      <Choices
        legend={t.mask}
        options={masks.map((each) => [each, t.maskNames[each]] as const)}
        value={mask.value}
        onChoose={(value) => (mask.value = value)}
      />
      <Choices
        legend={t.keepStates}
        options={[...counts, whole.n].map((count) => [count, number(count)] as const)}
        value={Math.min(states.value, whole.n)}
        onChoose={(value) => (states.value = value)}
      />
      <p class="soft mask-prose">{prose}</p>
      <div class="figure-grid">
        <figure>
          <HeatMap
            label={t.lensAlt(where)}
            rows={l}
            columns={l}
            values={matrix.data}
            names={{ rows: names, columns: names }}
            shadeKey
            onDrag={drag}
            onArrow={arrow}
          >
            <path class="shade" d={around(l, block)} />
            <rect class="lens" x={block.i0} y={block.j0} width={block.i1 - block.i0} height={block.j1 - block.j0} />
          </HeatMap>
          <p class="soft note" aria-live="polite">
            {where}{' '}
            <button type="button" class="quiet" onClick={() => (chosen.value = undefined)}>
              {t.reset}
            </button>
          </p>
        </figure>
        <div>
          <table class="facts">
            <tbody>
              <tr>
                <th scope="row">{t.rank}</th>
                <td data-test="rank">{number(view.rank)}</td>
              </tr>
              <tr>
                <th scope="row">{t.bound}</th>
                <td>{view.bound === undefined ? t.noBound : t.boundOf(number(view.bound))}</td>
              </tr>
              <tr>
                <th scope="row">{t.shownNumbers}</th>
                <td>{`${view.rows} × ${view.columns} = ${number(view.shown)}`}</td>
              </tr>
              <tr>
                <th scope="row">{t.storedNumbers}</th>
                <td data-test="stored">{view.stored === undefined ? '–' : number(view.stored)}</td>
              </tr>
              <tr>
                <th scope="row">{t.factorsFit}</th>
                <td data-test="factors-fit">{view.factors ? short(view.factors.deviation) : '–'}</td>
              </tr>
            </tbody>
          </table>
          <p class="verdict" role="status">
            <Verdict view={view} n={shown.n} ordered={bounded(mask.value)} />
          </p>
          <figcaption>{t.singular}</figcaption>
          <Spectrum view={view} n={shown.n} />
          {view.factors ? (
            <div
              class="product"
              style={{
                gridTemplateColumns: `${shown.n}fr ${view.columns}fr`,
                maxWidth: `${18 * (shown.n + view.columns)}px`,
              }}
            >
              <figcaption>
                {t.left} <span class="numbers">{`${view.rows} × ${shown.n}`}</span>
              </figcaption>
              <figure>
                <HeatMap label={t.right} rows={shown.n} columns={view.columns} values={view.factors.right.data} />
                <figcaption>
                  {t.right} <span class="numbers">{`${shown.n} × ${view.columns}`}</span>
                </figcaption>
              </figure>
              <HeatMap label={t.left} rows={view.rows} columns={shown.n} values={view.factors.left.data} />
              <HeatMap label={t.product} rows={view.rows} columns={view.columns} values={blockValues(view)} />
            </div>
          ) : (
            <p class="soft note">{t.noFactors}</p>
          )}
        </div>
      </div>
    </section>
  );
}

function Verdict({ view, n, ordered }: { view: LensView; n: number; ordered: boolean }) {
  const t = text.value;
  const [rank, bound] = [number(view.rank), number(n)];
  if (ordered && view.rank <= n) return <>{t.holds(rank, bound)}</>;
  return <>{view.rank > n ? t.breaks(rank, bound) : t.small(rank, bound)}</>;
}

function Spectrum({ view, n }: { view: LensView; n: number }) {
  const draw = useCallback(
    (plot: typeof import('@observablehq/plot')) => {
      const least = 1e-18;
      const points = Array.from(view.singular, (value, s) => ({
        s: s + 1,
        value: Math.max(value / (view.singular[0]! || 1), least),
        counts: s < view.rank,
      }));
      return {
        marginLeft: 52,
        marginBottom: 34,
        x: { domain: [0.5, Math.max(points.length, n) + 0.5], label: 'k →', ticks: 6, tickFormat: 'd' },
        y: {
          type: 'log' as const,
          domain: [least, 1],
          ticks: [1e-16, 1e-12, 1e-8, 1e-4, 1],
          tickFormat: powerOfTen,
          grid: true,
          label: null,
        },
        marks: [
          plot.ruleX([n + 0.5], { stroke: 'var(--negative)', strokeDasharray: '4 3' }),
          plot.ruleY([1e-12], { stroke: 'var(--soft)', strokeDasharray: '1 3' }),
          plot.dot(points, {
            x: 's',
            y: 'value',
            r: 3,
            stroke: 'var(--accent)',
            fill: (d: { counts: boolean }) => (d.counts ? 'var(--accent)' : 'var(--raised)'),
          }),
        ],
      };
    },
    [view, n],
  );
  const t = text.value;
  return <Plot label={t.singularAlt(number(view.rank), number(view.singular.length))} draw={draw} height={150} />;
}

/** The block's numbers, row after row. */
function blockValues({ values: { data, offset, strides }, rows, columns }: LensView): Float64Array {
  return Float64Array.from(
    { length: rows * columns },
    (_, at) => data[offset + Math.floor(at / columns) * strides[0]! + (at % columns)]!,
  );
}

/** The lower left quarter, where the second half reads what the first one wrote. */
function quarter(l: number): Block {
  const half = Math.floor(l / 2);
  return { j0: half, j1: l, i0: 0, i1: Math.max(1, half) };
}

/** All of the square but the block. */
function around(l: number, { j0, j1, i0, i1 }: Block): string {
  return `M0 0H${l}V${l}H0ZM${i0} ${j0}V${j1}H${i1}V${j0}Z`;
}
