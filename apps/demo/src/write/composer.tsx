import { useComputed } from '@preact/signals';
import { model } from '../model/session.js';
import { branches, busy, draft, fork, startOver, tellDifferently, write, writing } from './desk.js';
import { anySeed, seed } from './sampling.js';
import { text } from './text.js';

/** The box for words of one's own, and what can be done with the story. */
export function Composer() {
  const t = text.value;
  const begun = useComputed(() => branches.value.some(({ length }) => length > 0)).value;
  const two = branches.value.length > 1;
  const ready = model.value !== undefined && !busy.value;
  const begin = (event: Event) => {
    event.preventDefault();
    if (ready) void write();
  };
  return (
    <form class="composer" onSubmit={begin}>
      <label>
        <span>{begun ? t.draftMore : t.draft}</span>
        <textarea
          rows={2}
          value={draft.value}
          spellcheck={false}
          lang="en"
          onInput={(event) => (draft.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) begin(event);
          }}
        />
      </label>
      <div class="actions">
        {writing.value ? (
          <button
            type="button"
            class="primary"
            onClick={() => {
              for (const branch of branches.value) branch.stop();
            }}
          >
            {t.stop}
          </button>
        ) : (
          <button type="submit" class="primary" disabled={!ready}>
            {two ? t.goOnBoth : begun ? t.goOn : t.write}
          </button>
        )}
        {!two && (
          <>
            <button type="button" disabled={!ready || !begun} onClick={() => void tellDifferently(branches.value[0]!)}>
              {t.differently}
            </button>
            <button type="button" disabled={!ready || !begun} onClick={() => void fork()}>
              {t.fork}
            </button>
          </>
        )}
        <button type="button" class="quiet" disabled={!ready || !begun} onClick={() => void startOver()}>
          {t.startOver}
        </button>
        {!begun && (
          <span class="seed">
            <label>
              {t.seed}{' '}
              <input
                type="number"
                min={0}
                max={2 ** 31}
                step={1}
                required
                value={seed.value}
                onInput={({ currentTarget }) => {
                  if (currentTarget.validity.valid) seed.value = currentTarget.valueAsNumber;
                }}
              />
            </label>
            <button type="button" class="quiet" onClick={() => (seed.value = anySeed())}>
              {t.newSeed}
            </button>
          </span>
        )}
      </div>
    </form>
  );
}
