import { text } from '../shell/text.js';

/** The page at `#/compare`. */
export function Page() {
  return <h1>{text.value.pages.compare}</h1>;
}
