import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import { Slider } from '../figures/choices.jsx';
import { short } from '../figures/numerals.js';
import { NumberField } from './elements.jsx';
import { type Change, type Node, StateTree, type Token } from './tree.js';
import { text } from './text.js';

const COUNT = 8;
const WIDTH = 92;
const HEIGHT = 66;

const first: readonly Token[] = [0.1, 0.5, 0.2, 0.4, 1.2, 0.1, 0.3, 0.6].map((delta, t) => ({
  delta,
  x: [1, -2, 3, 1, 2, -1, 0, 4][t]!,
}));

/** The segment tree of a head's states: edit a token, and see the path above it computed again. */
export function TreePanel() {
  const t = text.value;
  const tree = useMemo(() => new StateTree(first), []);
  const tokens = useSignal(first);
  const change = useSignal<Change | undefined>(undefined);
  const from = useSignal(2);
  const to = useSignal(6);
  const edit = (at: number, part: Partial<Token>) => {
    const token = { ...tokens.value[at]!, ...part };
    tokens.value = tokens.value.map((each, i) => (i === at ? token : each));
    if (Number.isFinite(token.x) && token.delta >= 0) change.value = tree.change(at, token);
  };
  const nodes = tree.nodes();
  const last = change.value;
  const stretch = tree.run(Math.min(from.value, to.value), Math.max(from.value, to.value) + 1, 0);
  return (
    <section class="figure-section" id="tree">
      <h2>{t.treeTitle}</h2>
      <p>{t.treeProse}</p>
      <div class="trace-scroll" tabIndex={0} role="region" aria-label={t.treeAlt}>
        <div class="tree" style={{ minWidth: `${0.72 * COUNT * WIDTH}px`, maxWidth: `${COUNT * WIDTH}px` }}>
          <svg viewBox={`0 0 ${COUNT * WIDTH} ${4 * HEIGHT}`} aria-hidden="true">
            {nodes.map((node) => (
              <TreeNode
                key={node.k}
                node={node}
                touched={last?.recomputed.includes(node.k) ?? false}
                leaves={tree.leaves}
              />
            ))}
          </svg>
          <div class="elements" style={{ '--count': COUNT }}>
            {tokens.value.map((token, i) => (
              <div class="element" key={i} role="group" aria-label={t.token(number(i))}>
                <label>
                  <span>{t.delta}</span>
                  <NumberField
                    label={t.deltaOf(number(i))}
                    value={token.delta}
                    min={0}
                    onChange={(value) => edit(i, { delta: value })}
                  />
                </label>
                <label>
                  <span>{t.x}</span>
                  <NumberField label={t.xOf(number(i))} value={token.x} onChange={(value) => edit(i, { x: value })} />
                </label>
              </div>
            ))}
          </div>
        </div>
      </div>
      <p class="verdict" role="status" data-test="recomputed">
        {last ? t.recomputed(number(last.recomputed.length), number(last.ofAll), number(tree.leaves)) : t.untouched}
      </p>
      <div class="figure-grid">
        <div>
          <Slider
            label={t.range}
            min={0}
            max={COUNT - 1}
            value={from.value}
            onInput={(value) => (from.value = value)}
          />
          <Slider label={t.rangeEnd} min={0} max={COUNT - 1} value={to.value} onInput={(value) => (to.value = value)} />
        </div>
        <table class="facts">
          <tbody>
            <tr>
              <th scope="row">{t.rangeMap}</th>
              <td data-test="range-map">{mapText(stretch.map)}</td>
            </tr>
            <tr>
              <th scope="row">{t.rangeState}</th>
              <td data-test="range-state">{short(stretch.h)}</td>
            </tr>
          </tbody>
        </table>
      </div>
    </section>
  );
}

const mapText = ({ a, b }: Pick<Node, 'a' | 'b'>) => `${short(a)} h ${b < 0 ? '−' : '+'} ${short(Math.abs(b))}`;

function TreeNode({ node, touched, leaves }: { node: Node; touched: boolean; leaves: number }) {
  const level = 31 - Math.clz32(node.k);
  const centre = ((node.start + Math.min(node.end, COUNT)) / 2) * WIDTH;
  const top = level * HEIGHT + 4;
  const leaf = node.k >= leaves;
  const width = leaf ? WIDTH - 10 : Math.min(150, (node.end - node.start) * WIDTH - 14);
  const half = ((node.end - node.start) / 4) * WIDTH;
  return (
    <g class={`box ${touched ? 'written' : ''} ${leaf ? 'leaf' : ''}`} data-touched={touched}>
      {!leaf && (
        <path
          class="kept"
          d={`M${centre - half} ${top + HEIGHT}V${top + 50}H${centre + half}V${top + HEIGHT}M${centre} ${top + 50}V${top + 38}`}
        />
      )}
      <rect x={centre - width / 2} y={top} width={width} height="38" rx="5" />
      <text x={centre} y={top + 16}>{`${short(node.a)} h`}</text>
      <text x={centre} y={top + 31}>{`${node.b < 0 ? '−' : '+'} ${short(Math.abs(node.b))}`}</text>
    </g>
  );
}
