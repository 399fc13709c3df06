import type { TokenInfo } from '../model/protocol.js';
import { text } from './text.js';

/** One line of a derivation: the parts a token consists of at that point, and which of them the line's merge made. */
export interface Line {
  parts: readonly string[];
  made?: { index: number; rank: number };
}

/** How a token was put together, from its smallest parts on: the merges undone from the end give the beginning. */
export function derivation({ token, merges }: Pick<TokenInfo, 'token' | 'merges'>): Line[] {
  const lines: Line[] = [];
  let parts: readonly string[] = [token];
  for (const { index, left, right, rank } of merges.toReversed()) {
    lines.unshift({ parts, made: { index, rank } });
    parts = parts.toSpliced(index, 1, left, right);
  }
  return [{ parts }, ...lines];
}

/** The merges that made a token, line by line. */
export function MergeSteps({ info }: { info: TokenInfo }) {
  const t = text.value;
  if (info.merges.length === 0) return <p class="soft">{t.noMerges}</p>;
  return (
    <div>
      <h3>{t.merges}</h3>
      <ol class="derivation">
        {derivation(info).map(({ parts, made }, i) => (
          <li key={i}>
            <span>
              {parts.map((part, k) => (
                <code key={k} class={k === made?.index ? 'chip made' : 'chip'}>
                  {part}
                </code>
              ))}
            </span>
            {made && <span class="soft numbers">{t.merge(made.rank)}</span>}
          </li>
        ))}
      </ol>
    </div>
  );
}
