import '../figures/figures.css';
import { BenchmarkPanel } from './benchmark-panel.jsx';
import { CostsPanel } from './costs-panel.jsx';
import './page.css';
import { text } from './text.js';

/** The page at `#/compare`: SSM, SSD and attention, counted and measured. */
export function Page() {
  const t = text.value;
  return (
    <>
      <h1>{t.title}</h1>
      <p class="lead">{t.lead}</p>
      <CostsPanel />
      <BenchmarkPanel />
    </>
  );
}
