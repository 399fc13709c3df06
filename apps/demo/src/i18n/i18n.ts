import { computed, type ReadonlySignal, signal } from '@preact/signals';
import { remember } from '../shell/remember.js';

/** The languages of the page. */
export type Language = 'en' | 'zh';

/** The language shown now; `<html lang>` says it too. */
export const language = signal<Language>(document.documentElement.lang === 'zh' ? 'zh' : 'en');

/** Shows the page in a language, and on the next visit. */
export function speak(chosen: Language): void {
  language.value = chosen;
  document.documentElement.lang = chosen;
  remember('language', chosen);
}

/** What a dictionary may hold: texts, functions that make texts, and groups of both. */
type Entry = string | ((...args: never[]) => string) | Group;
interface Group {
  readonly [key: string]: Entry;
}

/**
 * A page's words in every language; a key that one of them lacks is a type error.
 * @example
 * ```ts
 * const text = words({ en: { hello: 'Hello' }, zh: { hello: '你好' } });
 * <p>{text.value.hello}</p>
 * ```
 */
export function words<T extends Group>(dictionary: { en: T; zh: NoInfer<T> }): ReadonlySignal<T> {
  return computed(() => dictionary[language.value]);
}

/** Numbers as the language writes them. */
export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat(language.value === 'zh' ? 'zh-CN' : 'en', options).format(value);
}
