import { number } from '../i18n/i18n.js';
import { edit, kind, length, numbers } from './state.js';
import { text } from './text.js';

/** The numbers, to be edited: a and b of each map, or only b for sums. */
export function Elements() {
  const t = text.value;
  const sum = kind.value === 'sum';
  return (
    <div class="elements" style={{ '--count': length.value }}>
      {numbers.value.slice(0, length.value).map((step, i) => (
        <div class="element" key={i} role="group" aria-label={t.element(number(i))}>
          {!sum && (
            <label>
              <span>a</span>
              <NumberField label={t.elementA(number(i))} value={step.a} onChange={(value) => edit(i, { a: value })} />
            </label>
          )}
          <label>
            <span>{sum ? '' : 'b'}</span>
            <NumberField label={t.elementB(number(i))} value={step.b} onChange={(value) => edit(i, { b: value })} />
          </label>
        </div>
      ))}
    </div>
  );
}

/** A number that may be typed; NaN while it is none. */
export function NumberField({
  label,
  value,
  onChange,
  min,
  optional = false,
}: {
  label: string;
  value: number;
  onChange: (value: number) => void;
  min?: number;
  /** Whether it may be left empty. */
  optional?: boolean;
}) {
  return (
    <input
      type="number"
      step="any"
      min={min}
      inputMode="decimal"
      aria-label={label}
      aria-invalid={!optional && !Number.isFinite(value)}
      value={Number.isFinite(value) ? value : undefined}
      onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
    />
  );
}
