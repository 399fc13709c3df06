import { number } from '../i18n/i18n.js';
import { type Cell, HeatMap } from '../figures/heat-map.jsx';
import { Formula, k, o, row, sub, subT, v } from '../figures/math.jsx';
import { short } from '../figures/numerals.js';
import { AsTable } from '../figures/table.jsx';
import { cursor, factors, head, headAt, layer, read } from './state.js';
import { text } from './text.js';

/** M of the chosen head, beside the things it is the product of. */
export function MatrixPanel() {
  const t = text.value;
  const { l, delta } = head.value!;
  const { M, L, G, decays, softmax } = factors.value!;
  const names = read.value!.names;
  const where = t.headName(number(layer.value!.layer), number(headAt.value));
  const say = ([j, i]: Cell) => {
    const at = j * l + i;
    return t.cell(names[j]!, names[i]!, short(M.data[at]!), short(L.data[at]!), short(G.data[at]!), short(delta[i]!));
  };
  const scores = G.data.map((g, at) => (at % l > Math.floor(at / l) ? 0 : g));
  const square = { rows: l, columns: l, cursor, describe: say, lower: true, shadeKey: true };
  return (
    <section class="figure-section" id="matrix">
      <h2>{t.matrixTitle}</h2>
      <p>{t.matrixProse}</p>
      <div class="formulas">
        <Formula
          block
          parts={[sub('M', 'ji'), o('='), sub('L', 'ji'), o('('), subT('C', 'j'), sub('B', 'i'), o(')'), sub('Δ', 'i')]}
        />
        <Formula
          block
          parts={[
            sub('L', 'ji'),
            o('='),
            v('exp'),
            o('('),
            <munderover>
              <mo>∑</mo>
              {row(v('k'), o('='), v('i'), o('+'), k(1))}
              {v('j')}
            </munderover>,
            sub('Δ', 'k'),
            v('A'),
            o(')'),
          ]}
        />
      </div>
      <div class="figure-grid">
        <figure>
          <figcaption>
            <strong>{t.matrix}</strong> · {where} · {t.scale}
          </figcaption>
          <HeatMap
            {...square}
            label={t.matrixAlt(where)}
            values={M.data}
            names={{ rows: names, columns: names }}
            below={
              <>
                <Bars values={delta} names={names} at={cursor.value?.[1]} label={t.delta} />
                <figcaption>
                  <strong>{t.delta}</strong>
                </figcaption>
                <Bars values={decays} names={names} at={cursor.value?.[0]} label={t.decays} largest={1} />
                <figcaption>
                  <strong>{t.decays}</strong>
                </figcaption>
              </>
            }
          />
          <AsTable caption={t.matrix} rows={names} columns={names} values={M.data} />
        </figure>
        <div class="factors">
          <Factor name={t.L} prose={t.LProse}>
            <HeatMap {...square} label={t.L} values={L.data} />
          </Factor>
          <Factor name={t.G} prose={t.GProse}>
            <HeatMap {...square} label={t.G} values={scores} />
          </Factor>
          <Factor name={t.softmax} prose={t.softmaxProse}>
            <HeatMap {...square} label={t.softmax} values={softmax.data} />
          </Factor>
          <CellReadout cell={cursor.value} say={say} />
        </div>
      </div>
    </section>
  );
}

/** The cell that is looked at, taken apart. */
function CellReadout({ cell, say }: { cell: Cell | undefined; say: (cell: Cell) => string }) {
  const t = text.value;
  if (!cell) return <p class="readout soft">{t.cellHint}</p>;
  const { l, delta } = head.value!;
  const { M, L, G, softmax } = factors.value!;
  const names = read.value!.names;
  const [j, i] = cell;
  const at = j * l + i;
  const rows: [string, number][] = [
    ['L', L.data[at]!],
    ['× C·B', G.data[at]!],
    ['× Δ', delta[i]!],
    ['= M', M.data[at]!],
    ['softmax', softmax.data[at]!],
  ];
  return (
    <div class="readout" data-test="cell" data-words={say(cell)}>
      <p>{t.fromTo(names[i]!, names[j]!)}</p>
      <table class="facts">
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name} class={name === '= M' ? 'total' : undefined}>
              <th scope="row">{name}</th>
              <td>{short(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Factor({ name, prose, children }: { name: string; prose: string; children: preact.ComponentChildren }) {
  return (
    <figure>
      <figcaption>
        <strong>{name}</strong>
        {prose && <> · {prose}</>}
      </figcaption>
      {children}
    </figure>
  );
}

/** A number for each token, as bars from 0 up. */
export function Bars({
  values,
  names,
  at,
  label,
  largest,
}: {
  values: Float64Array;
  names: readonly string[];
  at: number | undefined;
  label: string;
  largest?: number;
}) {
  const top = largest ?? Math.max(...values);
  const list = names.map((name, t) => `${name} ${short(values[t]!, 2)}`).join(', ');
  return (
    <svg
      class="bars"
      viewBox={`0 0 ${values.length} 1`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: ${list}`}
    >
      {Array.from(values, (value, t) => (
        <rect
          key={t}
          class={t === at ? 'at' : undefined}
          x={t + 0.08}
          width="0.84"
          y={1 - value / top}
          height={value / top}
        >
          <title>{`${names[t]}: ${short(value)}`}</title>
        </rect>
      ))}
    </svg>
  );
}
