import { TokenizerError } from './errors.js';
import { mismatch, shown, type Fields } from './fields.js';

/**
 * The `pattern` of a component as a global regular expression: `{"String": …}` is matched literally, `{"Regex": …}` is in
 * Oniguruma's syntax, of which a subset is translated.
 */
export function patternOf(fields: Fields): RegExp {
  const pattern = fields.fields('pattern');
  const [kind, ...others] = pattern.keys;
  if (others.length > 0 || (kind !== 'String' && kind !== 'Regex')) {
    throw mismatch(pattern.path, '{"String": …} or {"Regex": …}', fields.raw('pattern'));
  }
  const source = pattern.string(kind);
  const beyond = 'its syntax goes beyond what is translated to JavaScript';
  const translated = kind === 'String' ? escapeLiteral(source) : (translate(source) ?? pattern.refuse(kind, beyond));
  try {
    const compiled = new RegExp(translated, 'gu');
    if (compiled.test('')) throw new TokenizerError('it matches the empty string');
    return compiled;
  } catch (cause) {
    throw new TokenizerError(`tokenizer.json: ${pattern.at(kind)} ${shown(source)} is no usable pattern`, { cause });
  }
}

/** A text as a regular expression that matches just it. */
export function escapeLiteral(text: string): string {
  return text.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
}

/** The tokens that a pattern may consist of. */
const FOLDED = /\(\?i:([a-z'|]+)\)/;
const ESCAPE = /\\(?:[sSdDrntfv]|[pP]\{[LMNPSZ][a-z]?\}|[^\sa-zA-Z\d])/;
const CLASS = /\[\^?(?:\\.(?:\{\w+\})?|[^\\[\]&])+\]/;
const OTHERS = /[?*+]|\{\d+(?:,\d*)?\}|\((?:\?[:!=]|(?!\?))|[)|]|[^\\.^$()[\]{}?*+|]/;

/**
 * Oniguruma's syntax in JavaScript's, as far as the split patterns of byte-level tokenizers go: literals, `\s \d \p{…}`, classes,
 * groups, lookahead, greedy quantifiers, `(?i:…)`. Undefined for anything else, and for what is dangerous: a quantifier on a
 * quantifier is possessive, lazy or nested, depending on its kind; repeated groups can take exponential time.
 */
function translate(source: string): string | undefined {
  // With classes, escapes and folded words out of the way, the rest is structure.
  const outline = [CLASS, ESCAPE, FOLDED].reduce((rest, token) => rest.replace(new RegExp(token, 'gu'), 'x'), source);
  const escapes = source.match(/\\./gu)?.length ?? 0;
  const known = source.match(new RegExp(ESCAPE, 'gu'))?.length ?? 0;
  if (escapes !== known || outline.replace(new RegExp(OTHERS, 'gu'), '') !== '') return undefined;
  if (/[?*+}][?*+{]|\)[?*+{]/.test(outline)) return undefined;
  // Letters that Unicode folds to one, as `st`, would match more in Oniguruma.
  if (/\(\?i:[^)]*(?:f[fil]|s[st])/.test(source)) return undefined;
  return source.replace(/\\.|\(\?i:([a-z'|]+)\)/gu, (token, words: string | undefined) =>
    words === undefined ? (ESCAPES[token] ?? token) : `(?:${words.replace(/[a-z]/g, eitherCase)})`,
  );
}

/** What needs other words in JavaScript, where `\s` differs and `\d` is ASCII. */
const ESCAPES: Record<string, string> = {
  '\\s': '\\p{White_Space}',
  '\\S': '\\P{White_Space}',
  '\\d': '\\p{Nd}',
  '\\D': '\\P{Nd}',
};

/** A letter with all that folds to it. */
function eitherCase(letter: string): string {
  const special = letter === 's' ? '\u017f' : letter === 'k' ? '\u212a' : '';
  return `[${letter}${letter.toUpperCase()}${special}]`;
}
