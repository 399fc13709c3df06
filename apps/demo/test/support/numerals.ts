/** Reads a number as the page writes it in English: 12,300, −0.5, 2.4 · 10⁻⁹, 95.3%. */
export function parse(text: string): number {
  const [, mantissa = '', exponent] = /^\s*([−\-\d.,]+)(?: · 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?/.exec(text) ?? [];
  const power = Array.from(exponent ?? '⁰', (c) => (c === '⁻' ? '-' : '⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(c))).join('');
  return Number(`${mantissa.replaceAll(',', '').replace('−', '-')}e${power}`);
}
