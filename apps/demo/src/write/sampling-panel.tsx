import { number } from '../i18n/i18n.js';
import { choice, choose, chooseDefaults, rangeNames, ranges } from './sampling.js';
import { text } from './text.js';

/** How the next token is drawn. */
export function SamplingPanel() {
  const t = text.value;
  return (
    <section class="panel sampling" aria-labelledby="sampling">
      <h2 id="sampling">{t.sampling}</h2>
      {rangeNames.map((name) => {
        const { min, max, step } = ranges[name];
        const value = choice.value[name];
        return (
          <div key={name} class="range">
            <label for={name}>{t.ranges[name].name}</label>
            <output for={name}>{number(value, { maximumFractionDigits: 2 })}</output>
            <input
              id={name}
              type="range"
              min={min}
              max={max}
              step={step}
              value={value}
              aria-describedby={`${name}-what`}
              onInput={(event) => choose(name, event.currentTarget.valueAsNumber)}
            />
            <small id={`${name}-what`}>{t.ranges[name].what}</small>
          </div>
        );
      })}
      <p class="soft note">{t.sameSeed}</p>
      <button type="button" class="quiet" onClick={chooseDefaults}>
        {t.defaults}
      </button>
    </section>
  );
}
