import type { ComponentChildren } from 'preact';
import type { Failure } from '../model/protocol.js';
import { language } from '../i18n/i18n.js';
import { inChinese } from './failures-zh.js';
import { text } from './text.js';

/**
 * What went wrong and what to do about it. It says so to screen readers when it appears. Failures of the page itself have no name and speak its
 * language. Those of the libraries speak English; in another language the page says what it knows, and their own words are a click away.
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
  const { name, message, fix } = failure;
  const advice = t.advice[name in t.advice ? (name as keyof typeof t.advice) : 'other'];
  const foreign = name !== '' && language.value !== 'en';
  const known = foreign ? inChinese(message) : { message, fix };
  return (
    <div class="notice" role="alert">
      <p>
        <strong>{title ?? known?.message ?? advice}</strong>
      </p>
      {title !== undefined && known && title !== known.message && <p>{known.message}</p>}
      <dl>
        {!foreign && <Details {...failure} />}
        <Row name={t.fix} value={known?.fix ?? advice} />
      </dl>
      {foreign && (
        <details>
          <summary>{t.original}</summary>
          <div lang="en">
            <p>{message}</p>
            <dl>
              <Details {...failure} />
              {fix !== undefined && <Row name={t.fix} value={fix} />}
            </dl>
          </div>
        </details>
      )}
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

/** What was given, and what would have been right. */
function Details({ given, expected }: Failure) {
  const t = text.value;
  return (
    <>
      {given !== undefined && <Row name={t.given} value={given} />}
      {expected !== undefined && <Row name={t.expected} value={expected} />}
    </>
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
