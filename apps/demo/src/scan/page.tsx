import '../figures/figures.css';
import { HolePanel } from './hole-panel.jsx';
import { LanesPanel } from './lanes-panel.jsx';
import './page.css';
import { text } from './text.js';
import { TreePanel } from './tree-panel.jsx';

/** The page at `#/scan`: parallel scans as they run, on numbers one can edit. */
export function Page() {
  const t = text.value;
  return (
    <>
      <h1>{t.title}</h1>
      <p class="lead">{t.lead}</p>
      <LanesPanel />
      <HolePanel />
      <TreePanel />
    </>
  );
}
