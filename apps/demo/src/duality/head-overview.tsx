import { useEffect, useMemo, useRef } from 'preact/hooks';
import { attentionMatrix } from '@mamba2/core';
import { number } from '../i18n/i18n.js';
import { theme } from '../shell/theme.js';
import { paint } from '../figures/heat-map.jsx';
import { largestOf } from '../figures/shades.js';
import { asHeads, headOf } from './head.js';
import { headAt, layer, layerAt, read } from './state.js';
import { text } from './text.js';

/** All heads of all layers, each as a small picture of its matrix; a grid to choose from with pointer or arrow keys. */
export function HeadOverview() {
  const t = text.value;
  const layers = read.value!.layers;
  const heads = layer.value!.A.data.length;
  const grid = useRef<HTMLDivElement>(null);
  const matrices = useMemo(
    () =>
      layers.map((each) =>
        Array.from({ length: each.A.data.length }, (_, k) => attentionMatrix(asHeads(headOf(each, k))).data),
      ),
    [layers],
  );
  const choose = (l: number, k: number) => {
    layerAt.value = Math.min(Math.max(l, 0), layers.length - 1);
    headAt.value = Math.min(Math.max(k, 0), heads - 1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(layerAt.value + step[0]!, headAt.value + step[1]!);
    requestAnimationFrame(() => grid.current?.querySelector<HTMLElement>('[aria-checked="true"]')?.focus());
  };
  return (
    <section class="figure-section">
      <h2>{t.headsTitle}</h2>
      <p>{t.headsProse(number(layers.length), number(heads))}</p>
      <div class="heads" ref={grid} role="radiogroup" aria-label={t.headsTitle} onKeyDown={onKeyDown}>
        <div class="heads-row soft" aria-hidden="true">
          <span />
          {Array.from({ length: heads }, (_, k) => (
            <span key={k} class="heads-name">
              {k}
            </span>
          ))}
        </div>
        {layers.map((each, l) => (
          <div class="heads-row" key={each.layer} role="presentation">
            <span class="soft" aria-hidden="true">
              {each.layer}
            </span>
            {matrices[l]!.map((M, k) => (
              <Thumbnail
                key={k}
                values={M}
                l={read.value!.names.length}
                label={t.headName(number(each.layer), number(k))}
                chosen={l === layerAt.value && k === headAt.value}
                onChoose={() => choose(l, k)}
              />
            ))}
          </div>
        ))}
      </div>
    </section>
  );
}

function Thumbnail({
  values,
  l,
  label,
  chosen,
  onChoose,
}: {
  values: Float64Array;
  l: number;
  label: string;
  chosen: boolean;
  onChoose: () => void;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = theme.value;
  useEffect(() => paint(canvas.current!, l, l, values, largestOf(values)), [values, l, shown]);
  return (
    <button
      type="button"
      class="thumbnail"
      role="radio"
      aria-checked={chosen}
      aria-label={label}
      title={label}
      tabIndex={chosen ? 0 : -1}
      onClick={onChoose}
    >
      <canvas ref={canvas} width={l} height={l} aria-hidden="true" />
    </button>
  );
}
