import type { ComponentChildren } from 'preact';
import { language } from '../i18n/i18n.js';
import { text } from './text.js';

/**
 * What a library says of itself: names of kernels, notes on a device. Libraries speak English, and their words change with them; so on a page in another
 * language they are not translated but shown for what they are, a quotation from the code.
 */
export function OwnWords({ children }: { children: ComponentChildren }) {
  if (language.value === 'en') return <>{children}</>;
  return (
    <code class="own-words" lang="en">
      {children}
    </code>
  );
}

/** The same for whole paragraphs, under a line that says whose words they are. */
export function OwnParagraphs({ children }: { children: ComponentChildren }) {
  if (language.value === 'en') return <>{children}</>;
  return (
    <div class="own-paragraphs">
      <p class="soft">{text.value.original}</p>
      <blockquote lang="en">{children}</blockquote>
    </div>
  );
}
