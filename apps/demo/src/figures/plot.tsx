import type { PlotOptions } from '@observablehq/plot';
import { useEffect, useRef, useState } from 'preact/hooks';
import { theme } from '../shell/theme.js';
import { text } from './text.js';

type PlotLibrary = typeof import('@observablehq/plot');

/** A chart by Observable Plot, whose code is fetched with the first chart. Screen readers get `label`, and the numbers from what stands beside it. */
export function Plot({
  label,
  draw,
  height,
}: {
  /** What the chart shows, in words. */
  label: string;
  /** Options for a chart of the given width; called again when the width, the theme or the function changes. */
  draw: (plot: PlotLibrary, width: number) => PlotOptions;
  /** Keeps the place while the code comes. */
  height: number;
}) {
  const host = useRef<HTMLDivElement>(null);
  const [library, setLibrary] = useState<PlotLibrary>();
  const [width, setWidth] = useState(0);
  const [failed, setFailed] = useState(false);
  const shown = theme.value;
  useEffect(() => {
    import('@observablehq/plot').then(setLibrary, () => setFailed(true));
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    watcher.observe(host.current!);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => {
    if (!library || width === 0) return;
    const style = { background: 'none', color: 'var(--ink)', fontSize: '12px', overflow: 'visible' };
    const chart = library.plot({ height, width, style, ...draw(library, width) });
    chart.setAttribute('aria-hidden', 'true');
    host.current!.replaceChildren(chart);
  }, [library, width, draw, shown, height]);
  return (
    <>
      <div ref={host} class="plot" role="img" aria-label={label} style={{ minHeight: `${height}px` }} />
      {failed && (
        <p class="soft note" role="alert">
          {text.value.noChart}
        </p>
      )}
    </>
  );
}
