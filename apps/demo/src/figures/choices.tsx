import { useId } from 'preact/hooks';

/** One of a few: radio buttons that look like buttons. */
export function Choices<T extends string | number>({
  legend,
  options,
  value,
  barred,
  onChoose,
}: {
  legend: string;
  options: readonly (readonly [T, string])[];
  value: T;
  /** One that can't be chosen, and why: said in words below, for fingers have no tooltips. */
  barred?: { readonly option: T; readonly why: string } | undefined;
  onChoose: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      {options.map(([option, label]) => (
        <label key={option}>
          <input
            type="radio"
            name={name}
            checked={option === value}
            disabled={option === barred?.option}
            aria-describedby={option === barred?.option ? `${name}-barred` : undefined}
            onChange={() => onChoose(option)}
          />
          {label}
        </label>
      ))}
      {barred && (
        <p class="barred" id={`${name}-barred`}>
          {barred.why}
        </p>
      )}
    </fieldset>
  );
}

/** A slider with its name before it and its value behind. */
export function Slider({
  label,
  min,
  max,
  value,
  shown,
  onInput,
}: {
  label: string;
  min: number;
  max: number;
  value: number;
  /** The value in words; the number by default. */
  shown?: string | undefined;
  onInput: (value: number) => void;
}) {
  const id = useId();
  return (
    <div class="control">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        value={value}
        aria-valuetext={shown}
        onInput={(event) => onInput(Number(event.currentTarget.value))}
      />
      <output for={id}>{shown ?? value}</output>
    </div>
  );
}
