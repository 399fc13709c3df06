import { CheckpointError } from '@mamba2/core';
import { onOneLine, quoted } from './shown.js';

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

/**
 * Parses the JSON that Python writes: besides the standard, bare `Infinity`, `-Infinity` and `NaN` outside strings, and the form
 * `{"__float__": "Infinity"}` that transformers gives them since 5.0. A key that an object holds twice is refused, where `JSON.parse` would
 * silently take the last. Linear in the text's length.
 * @param what the file, for messages
 * @throws CheckpointError naming the file when the text is not JSON or repeats a key
 */
export function parseJson(what: string, text: string): JsonValue {
  const standard = /Infinity|NaN/.test(text) ? tagSpecialNumbers(text) : text;
  let value: JsonValue;
  try {
    value = JSON.parse(
      standard,
      standard.includes('"__float__"') ? (_, inner: JsonValue) => untag(inner) : undefined,
    ) as JsonValue;
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? onOneLine(cause.message) : 'it is nested too deeply';
    throw new CheckpointError(`${what} is not valid JSON: ${reason}`, {
      fix: 'get the file again; it is damaged',
      cause,
    });
  }
  refuseRepeatedKeys(what, standard);
  return value;
}

/** Parses JSON whose top level must be an object. @throws CheckpointError */
export function parseJsonObject(what: string, text: string): JsonObject {
  const value = parseJson(what, text);
  if (isObject(value)) return value;
  throw new CheckpointError(`${what} holds the wrong kind of JSON`, {
    given: describeJson(value),
    expected: 'an object',
  });
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The pairs of an object all of whose values are text. */
export function textPairs(value: JsonValue | undefined): [string, string][] | undefined {
  const pairs = isObject(value) ? Object.entries(value) : undefined;
  return pairs?.every((pair): pair is [string, string] => typeof pair[1] === 'string') ? pairs : undefined;
}

/** A value in a few words, for messages. */
export function describeJson(value: JsonValue | undefined): string {
  if (Array.isArray(value))
    return value.length > 8 || value.some((v) => typeof v === 'object')
      ? `a list of ${value.length}`
      : `[${value.map(describeJson).join(', ')}]`;
  if (isObject(value)) return 'an object';
  if (typeof value === 'string') return quoted(value);
  return String(value);
}

const specialNumber = /(?<![\w.+-])(?:-?Infinity|NaN)\b/g;

/** Bare special numbers in transformers' form, which is standard JSON. */
function tagSpecialNumbers(text: string): string {
  let out = '';
  for (const { piece, isString } of pieces(text)) {
    out += isString ? piece : piece.replace(specialNumber, (number) => `{"__float__":"${number}"}`);
  }
  return out;
}

const numbers: Readonly<Record<string, number>> = { Infinity: Infinity, '-Infinity': -Infinity, NaN: NaN };

function untag(value: JsonValue): JsonValue {
  if (!isObject(value) || typeof value.__float__ !== 'string' || Object.keys(value).length !== 1) return value;
  return Object.hasOwn(numbers, value.__float__) ? numbers[value.__float__]! : value;
}

/** The text cut into its string literals and what lies between them. */
function* pieces(text: string): Generator<{ piece: string; isString: boolean }> {
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    if (open !== at) yield { piece: text.slice(at, open < 0 ? undefined : open), isString: false };
    if (open < 0) return;
    at = endOfString(text, open);
    yield { piece: text.slice(open, at), isString: true };
  }
}

/** The index after the string literal that opens at `open`; the text's end when it is never closed. */
function endOfString(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close >= 0; close = text.indexOf('"', close + 1)) {
    let first = close;
    while (text[first - 1] === '\\') first--;
    if ((close - first) % 2 === 0) return close + 1;
  }
  return text.length;
}

/** For text that is known to be valid JSON. */
function refuseRepeatedKeys(what: string, text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let literal = '';
  for (const { piece, isString } of pieces(text)) {
    if (isString) {
      literal = piece;
      continue;
    }
    if (literal !== '' && piece.trimStart().startsWith(':')) {
      const key = JSON.parse(literal) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) {
        throw new CheckpointError(`${what} gives ${describeJson(key)} twice`, { fix: 'remove one of the two' });
      }
      keys.add(key);
    }
    for (const c of piece) {
      if (c === '{') open.push(new Set());
      else if (c === '[') open.push(undefined);
      else if (c === '}' || c === ']') open.pop();
    }
  }
}
