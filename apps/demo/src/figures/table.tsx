import { useState } from 'preact/hooks';
import { short } from './numerals.js';
import { text } from './text.js';

/** The numbers of a picture as a table, made when it is opened. */
export function AsTable({
  caption,
  rows,
  columns,
  values,
}: {
  caption: string;
  rows: readonly string[];
  columns: readonly string[];
  /** (rows, columns) */
  values: ArrayLike<number>;
}) {
  const [open, setOpen] = useState(false);
  return (
    <details class="as-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text.value.asTable}</summary>
      {open && (
        <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
          <table>
            <caption class="visually-hidden">{caption}</caption>
            <thead>
              <tr>
                <td />
                {columns.map((name, i) => (
                  <th key={i} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((name, j) => (
                <tr key={j}>
                  <th scope="row">{name}</th>
                  {columns.map((_, i) => (
                    <td key={i}>{short(values[j * columns.length + i]!, 2)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
