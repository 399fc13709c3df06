import { duration, short } from '../figures/numerals.js';
import { number } from '../i18n/i18n.js';
import { OwnWords } from '../shell/own-words.jsx';
import type { Measured, Refused } from './benchmark.js';
import type { Session } from './state.js';
import { text } from './text.js';

/** What was measured, in a table; on a narrow screen, where its columns don't fit side by side, each of its lines is a few of their own. */
export function Measurements({ session: { measured, refused } }: { session: Session }) {
  const t = text.value;
  return (
    <table class="facts measurements">
      <caption class="visually-hidden">{t.table}</caption>
      <thead>
        <tr>
          {Object.entries(t.columns).map(([key, label]) => (
            <th key={key} scope="col">
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {measured.map((row) => (
          <Line key={`${row.form}-${row.l}`} {...row} />
        ))}
        {refused.map((row) => (
          <tr key={`${row.form}-${row.l}`} data-test="refused">
            <Which {...row} />
            <td colSpan={6} class="variant soft">
              <Why {...row} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Line(row: Measured) {
  const { narrow } = text.value;
  const { variant, samples, median } = row;
  return (
    <tr data-test="measurement">
      <Which {...row} />
      <td class="median">{duration(median)}</td>
      <td class="left">{`${duration(Math.min(...samples))} … ${duration(Math.max(...samples))}`}</td>
      <td>
        {short((1000 * row.multiplyAdds) / median, 2)} <Narrow>{narrow.rate}</Narrow>
      </td>
      <td class="left">
        {number(row.checkedPositions)} <Narrow>{narrow.checked}</Narrow>
      </td>
      <td>
        <Narrow>{narrow.error}</Narrow> {short(row.error, 2)}
      </td>
      <td class="variant">
        <OwnWords>{variant}</OwnWords>
      </td>
    </tr>
  );
}

function Which({ form, l }: Pick<Measured, 'form' | 'l'>) {
  return (
    <>
      <th scope="row">{text.value.forms[form]}</th>
      <td class="length">
        <Narrow>l =</Narrow> {number(l)}
      </td>
    </>
  );
}

/** What a number is, where no head of a column stands above it. */
function Narrow({ children }: { children: string }) {
  return <span class="narrow soft">{children}</span>;
}

function Why({ reason, message }: Refused) {
  const { reasons } = text.value;
  if (reason === 'too-much') return <>{reasons['too-much']}</>;
  if (reason === 'wrong') return <>{reasons.wrong(message)}</>;
  return (
    <>
      {reasons.failed} <OwnWords>{message}</OwnWords>
    </>
  );
}
