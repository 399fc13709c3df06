import type { ComponentChildren } from 'preact';
import type { Failure } from '../model/protocol.js';
import { text } from './text.js';

/** What went wrong and what to do about it. It says so to screen readers when it appears. */
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
  const known = failure.name === '' || fix !== undefined || expected !== undefined || title !== undefined;
  return (
    <div class="notice" role="alert">
      <p>
        <strong>{title ?? message}</strong>
      </p>
      {title !== undefined && title !== message && <p>{message}</p>}
      <dl>
        {given !== undefined && <Row name={t.given} value={given} />}
        {expected !== undefined && <Row name={t.expected} value={expected} />}
        {fix !== undefined && <Row name={t.fix} value={fix} />}
      </dl>
      {!known && <p>{t.unexpected}</p>}
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
