import { TokenizerError, UnsupportedTokenizerError } from './errors.js';
import { mismatch, shown, type Fields } from './fields.js';

/**
 * The `pattern` of a component as a global regular expression: `{"String": …}` is matched literally, `{"Regex": …}` is in
 * Oniguruma's syntax, of which a subset is translated.
 */
export function patternOf(fields: Fields): RegExp {
  const pattern = fields.fields('pattern');
  pattern.only('String', 'Regex');
  const kind = pattern.keys[0];
  if (pattern.keys.length !== 1 || (kind !== 'String' && kind !== 'Regex')) {
    throw mismatch(pattern.path, '{"String": …} or {"Regex": …}', fields.raw('pattern'));
  }
  const source = pattern.string(kind);
  const expression =
    kind === 'String' ? escapeLiteral(source) : new Translation(source, `${pattern.path}.Regex ${shown(source)}`).run();
  try {
    const compiled = new RegExp(expression, 'gu');
    if (compiled.test('')) throw new TokenizerError('it matches the empty string');
    return compiled;
  } catch (cause) {
    throw new TokenizerError(`tokenizer.json: ${pattern.path} ${shown(source)} is no usable pattern`, { cause });
  }
}

/** A text as a regular expression that matches just it. */
export function escapeLiteral(text: string): string {
  return text.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
}

const QUANTIFIER = /^[?*+{]/;

/** Of Oniguruma's escapes, those that need other words in JavaScript, where `\s` differs and `\d` is ASCII. */
const ESCAPES: Record<string, string> = { s: '\\p{White_Space}', S: '\\P{White_Space}', d: '\\p{Nd}', D: '\\P{Nd}' };

/**
 * Oniguruma's syntax in JavaScript's, as far as the split patterns of byte-level tokenizers go: literals, `\s \d \p{…}`, classes,
 * groups, lookahead, greedy quantifiers, and `(?i:…)` around ASCII letters. Anything else is refused rather than misread.
 */
class Translation {
  #at = 0;
  #out = '';
  /** Of each open group, whether it holds a quantifier. */
  readonly #groups: boolean[] = [];

  constructor(
    readonly source: string,
    readonly component: string,
  ) {}

  run(): string {
    while (this.#at < this.source.length) this.#step();
    return this.#out;
  }

  #step(): void {
    const folded = this.#take(/\(\?i:([a-z'|]+)\)/y);
    if (folded) {
      this.#out += `(?:${this.#folded(folded[1] as string)})`;
    } else if (this.#take(/\((?:\?:)?(?!\?)/y)) {
      this.#out += '(?:';
      this.#groups.push(false);
    } else if (this.#copy(/\(\?[!=]/y)) {
      this.#groups.push(false);
    } else if (this.#copy(/\)/y)) {
      // Repeating what repeats can take time exponential in the text.
      if (this.#groups.pop() && QUANTIFIER.test(this.source.slice(this.#at))) this.#refuse('a repeated repetition');
    } else if (this.#copy(/[?*+]|\{\d+(?:,\d*)?\}/y)) {
      // On another quantifier it would be possessive, lazy or nested, depending on its kind.
      if (QUANTIFIER.test(this.source.slice(this.#at))) this.#refuse('a quantifier on a quantifier');
      this.#groups.fill(true);
    } else if (this.#take(/\[/y)) {
      this.#class();
    } else if (!this.#copy(/\|/y)) {
      this.#atom(/[^[\]\\.^$(){}]/uy);
    }
  }

  #class(): void {
    this.#out += this.#take(/\^/y) ? '[^' : '[';
    while (!this.#take(/\]/y)) {
      if (this.source.startsWith('&&', this.#at)) this.#refuse('an intersection of classes');
      this.#atom(/[^[\]\\]/uy, true);
    }
    this.#out += ']';
  }

  /** An escape, or a literal that `literal` admits. */
  #atom(literal: RegExp, inClass = false): void {
    const escape = this.#take(/\\([sSdD])/y);
    if (escape) {
      this.#out += ESCAPES[escape[1] as string];
      return;
    }
    if (
      this.#copy(
        /\\(?:[rntfv]|[pP]\{(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?)\}|[\^$\\.*+?()[\]{}|/])/y,
      )
    )
      return;
    const char = this.#take(literal)?.[0];
    if (char === undefined) this.#refuse(`what stands at position ${this.#at}`);
    this.#out += inClass && char !== '-' ? char.replace(/[\^$.*+?(){}|/]/, '\\$&') : char.replace('/', '\\/');
  }

  /** ASCII words with each letter in either case; K and long s fold to letters too. */
  #folded(words: string): string {
    if (/ff|fi|fl|ss|st/.test(words)) this.#refuse('case folding of several letters to one');
    return words.replace(/[a-z]/g, (letter) => {
      const special = letter === 's' ? '\u017f' : letter === 'k' ? '\u212a' : '';
      return `[${letter}${letter.toUpperCase()}${special}]`;
    });
  }

  #take(token: RegExp): RegExpExecArray | null {
    token.lastIndex = this.#at;
    const match = token.exec(this.source);
    if (match) this.#at = token.lastIndex;
    return match;
  }

  #copy(token: RegExp): boolean {
    const match = this.#take(token);
    if (match) this.#out += match[0];
    return match !== null;
  }

  #refuse(what: string): never {
    throw new UnsupportedTokenizerError(this.component, `it uses ${what}, which is not translated to JavaScript`);
  }
}
