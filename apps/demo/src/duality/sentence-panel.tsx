import { number } from '../i18n/i18n.js';
import { loading, model } from '../model/session.js';
import { Notice } from '../shell/notice.jsx';
import { percent, short } from '../figures/numerals.js';
import { example, examples, failed, failure, read, reading, readSentence, sentence } from './state.js';
import { text } from './text.js';

/** Where the sentence is typed, and the heads to begin with. */
export function SentencePanel() {
  const t = text.value;
  const shown = example.value;
  const progress = loading.value;
  const share = progress && progress.total > 0 ? progress.loaded / progress.total : 0;
  return (
    <section class="panel sentence" aria-label={t.sentence}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void readSentence();
        }}
      >
        <label for="sentence">{t.sentence}</label>
        {t.english && <span class="soft"> {t.english}</span>}
        <textarea
          id="sentence"
          rows={sentence.value.includes('\n') ? 4 : 2}
          value={sentence.value}
          spellcheck={false}
          onInput={(event) => (sentence.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void readSentence();
          }}
        />
        <div class="actions">
          <button type="submit" class="primary" disabled={reading.value}>
            {t.show}
          </button>
          <span class="soft" role="status">
            {progress
              ? t.loadingModel(percent(share))
              : reading.value
                ? t.reading
                : read.value && t.tokens(number(read.value.names.length))}
          </span>
        </div>
      </form>
      {failed.value && (
        <Notice failure={failed.value} onDismiss={model.value && (() => (failure.value = undefined))}>
          {!model.value && (
            <button type="button" class="primary" onClick={() => void readSentence()}>
              {t.retry}
            </button>
          )}
        </Notice>
      )}
      {examples.length > 0 && (
        <div class="examples">
          <p class="soft">{t.examples}</p>
          <div class="actions">
            {examples.map((each) => (
              <button
                key={each.measure}
                type="button"
                aria-pressed={each === shown}
                onClick={() => void readSentence({ text: each.text, layer: each.layer, head: each.head })}
              >
                {t.found[each.measure].name}
              </button>
            ))}
          </div>
          {shown && (
            <p class="found" aria-live="polite">
              {t.found[shown.measure].what(
                shown.measure === 'focus'
                  ? percent(shown.measures['focus']!)
                  : short(shown.measures[shown.measure]!, 2),
              )}
            </p>
          )}
        </div>
      )}
    </section>
  );
}
