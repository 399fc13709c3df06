import type { Told } from './branch.js';
import { branches, shared } from './desk.js';
import { text } from './text.js';
import { visible } from './visible.js';

/** Where two branches part, and what each went on with. */
export function Parting() {
  const t = text.value;
  const [a, b] = branches.value.map(({ tokens }) => tokens.value[shared.value]);
  const word = (token: Told | undefined) =>
    token
      ? t.quoted(visible(token.text), token.logProb === undefined ? undefined : Math.exp(token.logProb))
      : t.nothing;
  return (
    <p class="parting" role="status">
      {t.shared(shared.value)} {a || b ? t.parted(word(a), word(b)) : t.notParted}
    </p>
  );
}
