import { useEffect } from 'preact/hooks';
import { ensureModel } from '../model/session.js';
import '../figures/figures.css';
import { ChunkSlider } from './chunk-slider.jsx';
import { HeadOverview } from './head-overview.jsx';
import { ImpulsePanel } from './impulse-panel.jsx';
import { InvariancePanel } from './invariance-panel.jsx';
import { LensPanel } from './lens-panel.jsx';
import { MatrixPanel } from './matrix-panel.jsx';
import { MemoryPanel } from './memory-panel.jsx';
import './page.css';
import { SentencePanel } from './sentence-panel.jsx';
import { failed, followModel, head } from './state.js';
import { text } from './text.js';

/** The page at `#/duality`: what a head of the model does with a sentence, as recurrence, as attention, and in between. */
export function Page() {
  useEffect(() => {
    void ensureModel();
    return followModel();
  }, []);
  const t = text.value;
  return (
    <>
      <h1>{t.title}</h1>
      <p class="lead">{t.lead}</p>
      <SentencePanel />
      {head.value ? (
        <>
          <HeadOverview />
          <MatrixPanel />
          <ChunkSlider />
          <ImpulsePanel />
          <LensPanel />
          <InvariancePanel />
        </>
      ) : (
        !failed.value && <div class="coming" />
      )}
      <MemoryPanel />
    </>
  );
}
