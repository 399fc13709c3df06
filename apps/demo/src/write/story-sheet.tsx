import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { memo } from 'preact/compat';
import { useRef } from 'preact/hooks';
import { type Loading, loading, model } from '../model/session.js';
import { Notice } from '../shell/notice.jsx';
import type { Branch, Told } from './branch.js';
import { branches, busy, keepOnly, selected, shared } from './desk.js';
import { text } from './text.js';
import { TokenCard } from './token-card.jsx';

/** Tokens that are rendered together: only the last group changes while a story grows. */
const GROUP = 48;

/** A story as text in which every token can be opened. */
export function StorySheet({ branch, name }: { branch: Branch; name: string }) {
  const t = text.value;
  const tokens = branch.tokens.value;
  const two = branches.value.length > 1;
  const running = branch.running.value !== undefined;
  const cursor = useSignal<number | undefined>(undefined);
  const anchor = useSignal<{ index: number; element: HTMLElement } | undefined>(undefined);
  const sheet = useRef<HTMLDivElement>(null);
  const common = two ? shared.value : 0;

  const elementOf = (index: number) => sheet.current?.querySelector<HTMLElement>(`[data-token="${index}"]`);
  const openToken = (index: number) => {
    const element = elementOf(index);
    if (busy.value || !element) return;
    cursor.value = index;
    anchor.value = { index, element };
  };
  const onClick = (event: JSX.TargetedMouseEvent<HTMLDivElement>) => {
    const index = (event.target as HTMLElement).dataset['token'];
    if (index !== undefined && getSelection()?.isCollapsed !== false) openToken(Number(index));
  };
  const onKeyDown = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const at = cursor.value ?? tokens.length;
    const moves: Record<string, number> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - 10,
      ArrowDown: at + 10,
      Home: 0,
      End: tokens.length - 1,
    };
    const next = moves[event.key];
    if (event.key === 'Enter' && cursor.value !== undefined) openToken(cursor.value);
    else if (next !== undefined && tokens.length > 0) {
      cursor.value = Math.max(0, Math.min(tokens.length - 1, next));
      elementOf(cursor.value)?.scrollIntoView({ block: 'nearest' });
    } else return;
    event.preventDefault();
  };

  const groups = Array.from({ length: Math.ceil(tokens.length / GROUP) }, (_, i) => i * GROUP);
  return (
    <section class="sheet" aria-label={name}>
      {two && (
        <header>
          <h2>{name}</h2>
          <span class="soft numbers">
            {t.seed} {branch.seed.value}
          </span>
          <button type="button" class="quiet" disabled={busy.value} onClick={() => void keepOnly(branch)}>
            {t.keepThis}
          </button>
        </header>
      )}
      {branch.unknown.value > 0 && <p class="soft before">{t.unknown(branch.unknown.value)}</p>}
      <div
        class="story"
        ref={sheet}
        lang="en"
        role="group"
        tabIndex={tokens.length > 0 ? 0 : -1}
        aria-label={`${name}. ${tokens.length > 0 ? t.storyHelp : ''}`}
        aria-busy={running}
        onClick={onClick}
        onKeyDown={onKeyDown}
      >
        {groups.map((start) => (
          <Tokens
            key={start}
            start={start}
            tokens={tokens.slice(start, start + GROUP)}
            shared={Math.max(0, Math.min(GROUP, common - start))}
            cursor={cursorIn(cursor.value, start)}
          />
        ))}
        {running && <span class="caret" aria-hidden="true" />}
        {tokens.length === 0 && !running && branch.unknown.value === 0 && <span class="placeholder">{t.empty}</span>}
      </div>
      <p class="soft numbers outcome" role="status">
        {summary(branch, running)}
      </p>
      {branch.failure.value && (
        <Notice title={t.failed} failure={branch.failure.value} onDismiss={() => (branch.failure.value = undefined)} />
      )}
      {anchor.value && tokens[anchor.value.index] && (
        <TokenCard
          token={tokens[anchor.value.index]!}
          anchor={anchor.value.element}
          onBack={() => void branch.rewind(branch.unknown.value + anchor.value!.index + 1)}
          onShow={() => (selected.value = { branch, index: anchor.value!.index })}
          onClose={() => {
            anchor.value = undefined;
            sheet.current?.focus();
          }}
        />
      )}
    </section>
  );
}

const cursorIn = (cursor: number | undefined, start: number) =>
  cursor !== undefined && cursor >= start && cursor < start + GROUP ? cursor - start : undefined;

/** How the writing goes, or went. */
function summary(branch: Branch, running: boolean): string {
  const t = text.value;
  const outcome = branch.outcome.value;
  if (running) return branch.rate.value === undefined ? t.writing : `${t.writing} ${t.rate(branch.rate.value)}`;
  if (!model.value) return loading.value ? t.coming(share(loading.value)) : '';
  if (!outcome) return branch.length > 0 ? t.tokens(branch.length) : '';
  const { stopped, generated, seconds } = outcome;
  const parts = [t.outcome[stopped](generated)];
  if (generated > 1) parts.push(t.rate(generated / seconds));
  return parts.join(' · ');
}

const share = ({ loaded, total }: Loading) => (total > 0 ? Math.floor((100 * loaded) / total) / 100 : undefined);

interface TokensProps {
  start: number;
  tokens: readonly Told[];
  /** How many of the first of them another branch has as well. */
  shared: number;
  cursor: number | undefined;
}

const Tokens = memo(
  ({ start, tokens, shared, cursor }: TokensProps) => (
    <>
      {tokens.map((token, i) => (
        <span
          key={i}
          data-token={start + i}
          class={[token.drawn ? 'drawn' : 'given', i < shared && 'shared', i === cursor && 'cursor']
            .filter(Boolean)
            .join(' ')}
        >
          {token.text}
        </span>
      ))}
    </>
  ),
  (a, b) =>
    a.shared === b.shared &&
    a.cursor === b.cursor &&
    a.tokens.length === b.tokens.length &&
    a.tokens.every((token, i) => token === b.tokens[i]),
);
