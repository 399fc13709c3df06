import { useEffect } from 'preact/hooks';
import { current, ensureModel, model } from '../model/session.js';
import { Composer } from './composer.jsx';
import { branches } from './desk.js';
import { MemoryPanel } from './memory-panel.jsx';
import { ModelPanel } from './model-panel.jsx';
import { Parting } from './parting.jsx';
import { SamplingPanel } from './sampling-panel.jsx';
import { StorySheet } from './story-sheet.jsx';
import { text } from './text.js';
import { TokenPanel } from './token-panel.jsx';
import './write.css';

/** The page at `#/write`: a story, what steers it, and all that the model keeps of it. */
export function Page() {
  useEffect(() => void ensureModel(), []);
  const t = text.value;
  const two = branches.value.length > 1;
  return (
    <>
      <div class="heading">
        <h1>{t.title}</h1>
        <p class="lead">
          {current.value.source.kind === 'storyteller' ? t.lead : t.leadOther(model.value?.name ?? '')}
        </p>
      </div>
      <div class="desk">
        <div class="work">
          <div class={two ? 'sheets two' : 'sheets'}>
            {branches.value.map((branch, i) => (
              <StorySheet key={i} branch={branch} name={two ? (i === 0 ? t.branch.a : t.branch.b) : t.story} />
            ))}
          </div>
          {two && <Parting />}
          <Composer />
          <MemoryPanel />
          <TokenPanel />
        </div>
        <div class="side">
          <ModelPanel />
          <SamplingPanel />
        </div>
      </div>
    </>
  );
}
