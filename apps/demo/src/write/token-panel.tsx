import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { number } from '../i18n/i18n.js';
import type { TokenInfo } from '../model/protocol.js';
import { client, model } from '../model/session.js';
import { branches, draft, selected, writing } from './desk.js';
import { MergeSteps } from './merge-steps.jsx';
import { text } from './text.js';
import { visible } from './visible.js';

/** The most tokens that are shown at once. */
const MOST = 120;

interface Shown {
  /** Place of the first of them in the text. */
  first: number;
  infos: readonly TokenInfo[];
  /** Probabilities of those that were drawn. */
  logProbs: readonly (number | undefined)[];
}

const nothing: Shown = { first: 0, infos: [], logProbs: [] };

/** The tokens of the box or of the story; for the one that is chosen its bytes, its place, and how it was merged. */
export function TokenPanel() {
  const t = text.value;
  const asked = useSignal<'draft' | 'story' | undefined>(undefined);
  const chosen = useSignal(0);
  const shown = useSignal<Shown>(nothing);
  const wanted = selected.value;
  const branch = wanted?.branch ?? branches.value[0]!;
  // Unless someone asked for one of the two: the box, or the story once the box is empty.
  const of = asked.value ?? (draft.value === '' ? 'story' : 'draft');
  const what = writing.value ? undefined : of === 'draft' ? draft.value : branch.tokens.value;

  useEffect(() => {
    if (!wanted) return;
    asked.value = 'story';
    chosen.value = wanted.index;
    document.getElementById('tokens')?.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  }, [wanted]);

  const loaded = model.value;
  useEffect(() => {
    if (!loaded?.hasTokenizer || what === undefined) return;
    let stale = false;
    const arrived = typeof what === 'string' ? ofText(what) : ofStory(what, chosen.peek());
    void arrived.then((next) => {
      if (!stale) shown.value = next;
    });
    return () => void (stale = true);
  }, [what, loaded]);

  const { first, infos, logProbs } = shown.value;
  const at = Math.max(0, Math.min(infos.length - 1, chosen.value - first));
  const info = infos[at];
  const move = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -8, ArrowDown: 8, Home: -MOST, End: MOST }[event.key];
    if (step === undefined || infos.length === 0) return;
    event.preventDefault();
    chosen.value = first + Math.max(0, Math.min(infos.length - 1, at + step));
    document.getElementById(`token-${chosen.value}`)?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <section class="panel tokens" aria-labelledby="tokens">
      <header>
        <h2 id="tokens">{t.tokenPanel}</h2>
        <fieldset class="switch">
          <legend class="visually-hidden">{t.tokenPanel}</legend>
          {(['draft', 'story'] as const).map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="tokens-of"
                checked={of === each}
                onChange={() => {
                  asked.value = each;
                  selected.value = undefined;
                  chosen.value = 0;
                }}
              />
              <span>{each === 'draft' ? t.ofDraft : t.ofStory}</span>
            </label>
          ))}
        </fieldset>
      </header>
      <p class="soft">{t.tokenLead}</p>
      {infos.length === 0 ? (
        <p class="soft">{t.noTokens}</p>
      ) : (
        <div
          class="chips"
          role="listbox"
          tabIndex={0}
          aria-label={t.tokenPanel}
          aria-activedescendant={`token-${first + at}`}
          onKeyDown={move}
        >
          {infos.map((each, i) => (
            <span
              key={first + i}
              id={`token-${first + i}`}
              role="option"
              aria-selected={i === at}
              class="chip"
              onClick={() => (chosen.value = first + i)}
            >
              {visible(decode(each.bytes) ?? each.token)}
            </span>
          ))}
        </div>
      )}
      {first > 0 && <p class="soft">{t.lastTokens(infos.length)}</p>}
      {info && (
        <div class="token-details">
          <dl class="numbers">
            <Row name={t.vocabulary} value={<code>{info.token}</code>} />
            <Row name={t.id} value={number(info.id, { useGrouping: false })} />
            <Row name={t.bytes} value={<code>{hex(info.bytes)}</code>} />
            <Row name={t.offsets} value={info.offsets[1] > info.offsets[0] ? info.offsets.join(' – ') : t.noOffsets} />
            {logProbs[at] !== undefined && (
              <Row
                name={t.probability}
                value={number(Math.exp(logProbs[at]), { style: 'percent', maximumSignificantDigits: 2 })}
              />
            )}
          </dl>
          {info.special ? <p class="soft">{t.special}</p> : <MergeSteps info={info} />}
        </div>
      )}
    </section>
  );
}

function Row({ name, value }: { name: string; value: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

async function ofText(given: string): Promise<Shown> {
  const infos = given === '' ? [] : await client.ask('tokenize', { text: given }).catch(() => []);
  return { first: 0, infos: infos.slice(0, MOST), logProbs: [] };
}

/** The tokens around one of a story; they lie where their texts lie. */
async function ofStory(
  tokens: readonly { id: number; text: string; logProb?: number }[],
  index: number,
): Promise<Shown> {
  const first = Math.max(0, Math.min(index - MOST / 2, tokens.length - MOST));
  const some = tokens.slice(first, first + MOST);
  const infos = await client.ask('tokens', { ids: some.map(({ id }) => id) }).catch(() => []);
  let end = tokens.slice(0, first).reduce((sum, { text }) => sum + Array.from(text).length, 0);
  const placed = infos.map((info, i) => {
    const start = end;
    end += Array.from(some[i]!.text).length;
    return { ...info, offsets: [start, end] as const };
  });
  return { first, infos: placed, logProbs: some.map(({ logProb }) => logProb) };
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** The text that bytes are, if they are one. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
