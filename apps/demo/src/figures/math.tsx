/** Mathematics in the browser's own MathML: formulas are written as a small notation and need no library at run time. */

import type { ComponentChild, VNode } from 'preact';

type Part = ComponentChild;

/** MathML wants the word; a boolean attribute that is false would be left out. */
const asTheyAre: object = { stretchy: 'false' };

/** A name: italic when it is one letter. */
export const v = (name: string): VNode => <mi>{name}</mi>;
/** An operator; brackets keep the size of the line. */
export const o = (sign: string): VNode => <mo {...asTheyAre}>{sign}</mo>;
/** A number. */
export const k = (digits: string | number): VNode => <mn>{digits}</mn>;
/** A name with an index below, each letter of which is one: `sub('M', 'ji')`. */
export const sub = (base: Part, index: Part): VNode => (
  <msub>
    {typeof base === 'string' ? <mi>{base}</mi> : <mrow>{base}</mrow>}
    {typeof index === 'string' ? <mrow>{Array.from(index, v)}</mrow> : <mrow>{index}</mrow>}
  </msub>
);
export const sup = (base: Part, power: Part): VNode => (
  <msup>
    {typeof base === 'string' ? <mi>{base}</mi> : <mrow>{base}</mrow>}
    {typeof power === 'string' ? <mi>{power}</mi> : <mrow>{power}</mrow>}
  </msup>
);
/** A name with an index below and a transposition above. */
export const subT = (base: string, index: string): VNode => (
  <msubsup>
    <mi>{base}</mi>
    <mi>{index}</mi>
    <mo>⊤</mo>
  </msubsup>
);
export const row = (...parts: Part[]): VNode => <mrow>{parts}</mrow>;

/** A formula within a line, or on a line of its own. */
export function Formula({ parts, block = false }: { parts: Part[]; block?: boolean }) {
  return <math display={block ? 'block' : 'inline'}>{parts}</math>;
}
