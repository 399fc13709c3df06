import { text } from '../shell/text.js';

/** The page at `#/scan`. */
export function Page() {
  return <h1>{text.value.pages.scan}</h1>;
}
