import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ModelSource } from '../model/protocol.js';
import type { Loading } from '../model/session.js';
import { text } from './text.js';

/** How far a load is: bytes, the time left, and a way out. */
export function LoadProgress({ loading }: { loading: Loading }) {
  const t = text.value;
  const { loaded, total, began, source, cancel } = loading;
  const name = nameOf(source);
  const now = useSignal(performance.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const elapsed = Math.max(0, now.value - began) / 1000;
  // The first moments say little about the rest.
  const left = loaded > 0 && elapsed > 1 ? ((total - loaded) * elapsed) / loaded : undefined;
  return (
    <div class="loading">
      <p>{t.loading(name)}</p>
      <progress aria-label={t.loading(name)} max={total || 1} {...(total > 0 && { value: loaded })} />
      <div>
        <span class="soft numbers">
          {total > 0 ? t.progress(loaded, total) : t.preparing}
          {left !== undefined && ` · ${t.timeLeft(left)}`}
        </span>
        <button type="button" class="quiet" onClick={cancel}>
          {t.cancel}
        </button>
      </div>
    </div>
  );
}

function nameOf(source: ModelSource): string {
  switch (source.kind) {
    case 'storyteller':
      return 'storyteller';
    case 'hub':
      return source.id;
    case 'url':
      return source.url;
    default:
      return source.name;
  }
}
