import { useLayoutEffect, useRef } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import type { Told } from './branch.js';
import { text } from './text.js';
import { visible } from './visible.js';

/** What can be done with one token of a story, beside it. */
export function TokenCard({
  token,
  anchor,
  onBack,
  onShow,
  onClose,
}: {
  token: Told;
  anchor: HTMLElement;
  onBack: () => void;
  onShow: () => void;
  onClose: () => void;
}) {
  const t = text.value;
  const card = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = card.current!;
    element.showPopover();
    const place = anchor.getClientRects()[0] ?? anchor.getBoundingClientRect();
    const width = element.offsetWidth;
    element.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, place.left)) + scrollX}px`;
    element.style.top = `${place.bottom + 6 + scrollY}px`;
    element.querySelector('button')?.focus({ preventScroll: true });
    element.scrollIntoView({ block: 'nearest' });
  }, [anchor]);
  const act = (action: () => void) => () => {
    card.current?.hidePopover();
    action();
  };
  return (
    <div
      ref={card}
      class="token-card"
      popover="auto"
      role="dialog"
      aria-label={`${t.token} ${visible(token.text)}`}
      onToggle={(event) => {
        if (event.newState === 'closed') onClose();
      }}
    >
      <p>
        <code class="chip">{visible(token.text)}</code>{' '}
        <span class="soft numbers">
          {t.id} {token.id}
          {' · '}
          {token.logProb === undefined
            ? t.written
            : number(Math.exp(token.logProb), { style: 'percent', maximumSignificantDigits: 2 })}
        </span>
      </p>
      <div class="actions">
        <button type="button" class="primary" onClick={act(onBack)}>
          {t.goBack}
        </button>
        <button type="button" onClick={act(onShow)}>
          {t.showToken}
        </button>
      </div>
    </div>
  );
}
