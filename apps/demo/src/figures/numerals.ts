import { number } from '../i18n/i18n.js';

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

const superscript = (exponent: number): string =>
  (exponent < 0 ? '⁻' : '') + String(Math.abs(exponent)).replace(/\d/g, (d) => superscripts[Number(d)]!);

/** A number as one would write it by hand, with three digits: 0.125, 12 300, 2.4 · 10⁻⁹. */
export function short(value: number, digits = 3): string {
  const size = Math.abs(value);
  if (value === 0 || !Number.isFinite(value)) return String(value === 0 ? 0 : value);
  if (size < 1e-3 || size >= 1e7) {
    const [mantissa = '', exponent = '0'] = value.toExponential(Math.max(0, digits - 1)).split('e');
    return `${mantissa.replace('-', '−')} · 10${superscript(Number(exponent))}`;
  }
  return number(value, size >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits }).replace(
    '-',
    '−',
  );
}

/** Labels for a logarithmic axis: powers of ten by name, nothing between. */
export function powerOfTen(value: number): string {
  const exponent = Math.round(Math.log10(value));
  if (Math.abs(value / 10 ** exponent - 1) > 1e-9) return '';
  if (Math.abs(exponent) <= 3) return number(10 ** exponent, { maximumFractionDigits: 3 });
  return `10${superscript(exponent)}`;
}

/** Milliseconds, or microseconds where there are few. */
export function duration(ms: number): string {
  return ms < 1 ? `${short(1000 * ms)} µs` : ms < 1000 ? `${short(ms)} ms` : `${short(ms / 1000)} s`;
}

/** 0.953 → 95.3 % */
export function percent(share: number): string {
  return number(share, { style: 'percent', maximumFractionDigits: 1 });
}
