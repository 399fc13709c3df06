import type { ComponentChildren } from 'preact';
import type { Failure } from '../model/protocol.js';
import { text } from './text.js';

/**
 * What went wrong and what to do about it. It says so to screen readers when it appears. Failures of the page itself have no name and speak its
 * language; those of the libraries speak English.
 */
export function Notice({
  failure,
  title,
  onDismiss,
  children,
}: {
  failure: Failure;
  /** In the language of the page; the failure's own message follows. */
  title?: string | undefined;
  onDismiss?: (() => void) | undefined;
  children?: ComponentChildren;
}) {
  const t = text.value;
  const { message, given, expected, fix } = failure;
  const advice = t.advice[failure.name in t.advice ? (failure.name as keyof typeof t.advice) : 'other'];
  return (
    <div class="notice" role="alert">
      <p>
        <strong>{title ?? message}</strong>
      </p>
      {title !== undefined && title !== message && <p>{message}</p>}
      <dl>
        {given !== undefined && <Row name={t.given} value={given} />}
        {expected !== undefined && <Row name={t.expected} value={expected} />}
        <Row name={t.fix} value={failure.name === '' && fix !== undefined ? fix : t.withOriginal(advice, fix)} />
      </dl>
      <div class="actions">
        {children}
        {onDismiss && (
          <button type="button" onClick={onDismiss}>
            {t.dismiss}
          </button>
        )}
      </div>
    </div>
  );
}

function Row({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
