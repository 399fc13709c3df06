import { text } from '../shell/text.js';

/** The page at `#/duality`. */
export function Page() {
  return <h1>{text.value.pages.duality}</h1>;
}
