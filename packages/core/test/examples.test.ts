/** Every fenced example in a docstring runs by itself, with the package's own exports, and where it says `expression; // value` that holds. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as root from '../src/index.js';
import * as lti from '../src/lti/index.js';
import * as ranks from '../src/ranks/index.js';

/** By the name that an example imports from. */
const entries: Record<string, Record<string, unknown>> = {
  '@mamba2/core': root,
  '@mamba2/core/lti': lti,
  '@mamba2/core/ranks': ranks,
};

interface Example {
  /** file:line of its first line of code */
  place: string;
  code: string;
}

const source = fileURLToPath(new URL('../src/', import.meta.url));
const AsyncFunction = (async () => {}).constructor as new (
  ...args: string[]
) => (...values: unknown[]) => Promise<void>;

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const examples = files.flatMap((file) => examplesOf(file, readFileSync(source + file, 'utf8')));

function examplesOf(file: string, text: string): Example[] {
  const found: Example[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] !== ' * ```ts') continue;
    const start = i + 1;
    while (++i < lines.length && lines[i] !== ' * ```');
    found.push({
      place: `${file}:${start + 1}`,
      code: lines
        .slice(start, i)
        .map((line) => line.slice(3))
        .join('\n'),
    });
  }
  return found;
}

/** What a comment says, if it says a value. */
function valueOf(comment: string): { value: unknown } | undefined {
  try {
    return { value: new Function(`return (${comment});`)() as unknown };
  } catch {
    return undefined;
  }
}

/** The example as a function body: imports are arguments, claims are checks. */
function bodyOf(code: string): { body: string; imported: Map<string, unknown>; claims: number } {
  const imported = new Map<string, unknown>();
  let claims = 0;
  const lines = code.split('\n').map((line) => {
    const [, names, from] = /^import \{ (.*) \} from '(.*)';$/.exec(line) ?? [];
    if (names && from) {
      for (const name of names.split(', ')) {
        expect(entries[from], from).toHaveProperty(name);
        imported.set(name, entries[from]![name]);
      }
      return '';
    }
    const claim = /^(?!const |let |\/\/)(\S.*); \/\/ (.*)$/.exec(line);
    if (!claim || !valueOf(claim[2]!)) return line;
    claims++;
    return `check(${JSON.stringify(line)}, ${claim[1]}, ${claim[2]});`;
  });
  const body = ts.transpile(lines.join('\n'), { target: ts.ScriptTarget.ES2022 });
  return { body, imported, claims };
}

/** Equality of what a reader sees: numbers to 12 digits, typed arrays as their elements. */
function check(line: string, actual: unknown, expected: unknown): void {
  if (typeof expected === 'number' && Number.isFinite(expected)) expect(actual, line).toBeCloseTo(expected, 12);
  else if (Array.isArray(expected)) {
    const elements = Array.from(actual as ArrayLike<unknown>);
    expect(elements.length, line).toBe(expected.length);
    elements.forEach((v, i) => check(line, v, expected[i]));
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(actual as object), line).toEqual(Object.keys(expected));
    for (const [key, v] of Object.entries(expected)) check(line, (actual as Record<string, unknown>)[key], v);
  } else expect(actual, line).toBe(expected);
}

describe('examples', () => {
  it.each(examples)('$place runs, and says what is true', async ({ code }) => {
    const { body, imported, claims } = bodyOf(code);
    expect(claims).toBeGreaterThan(0);
    await new AsyncFunction('check', ...imported.keys(), body)(check, ...imported.values());
  });

  it('stand at every function of the structured mathematics', () => {
    const folders = ['structured', 'ranks', 'lti', 'attention'] as const;
    const exported = folders.flatMap((folder) => {
      const barrel = readFileSync(`${source}${folder}/index.ts`, 'utf8');
      return [...barrel.matchAll(/(?<!type )\b([a-z]\w+)(?=[, ]|,\n)/g)].map(([, name]) => name!);
    });
    const all: Record<string, unknown> = Object.assign({}, ...Object.values(entries));
    const functions = exported.filter((name) => typeof all[name] === 'function');
    expect(functions.length).toBeGreaterThan(30);
    for (const name of functions)
      expect(
        examples.some(({ code }) => code.includes(`${name}(`)),
        name,
      ).toBe(true);
  });
});
