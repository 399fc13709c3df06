/**
 * Runs the package's own source on numbers that count. A module is read from src, and in its syntax tree every arithmetic operator becomes a call
 * that does the same to ordinary numbers (indices, sizes) and, when an operand is a {@link Counted}, notes the operation as well. Float64Array and
 * Math are replaced by ones that hold and pass on such numbers. The algorithm that runs is the one that users call, loops, branches and all.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const source = fileURLToPath(new URL('../../src/', import.meta.url));

/** A number that knows how many multiplications, divisions and exponentials in a row led to it, and from which sequences it comes. */
export class Counted {
  constructor(
    readonly value: number,
    readonly depth = 0,
    /** whether one of x, B, C (or Q, K, V, a state) is in it, or only decays and constants */
    readonly sequence = false,
  ) {}

  valueOf(): number {
    return this.value;
  }
}

/** What happened while counted code ran. */
export interface Tally {
  /** multiplications and divisions with a counted operand */
  multiplications: number;
  /** of these, the ones of two numbers that both come from a sequence: the terms of inner products */
  contractions: number;
  exponentials: number;
  /** numbers in arrays made, by the outermost counted function that made them */
  allocated: Map<string, number>;
  /** the greatest depth of all numbers */
  depth: number;
}

type Value = number | Counted;
type Exports = Record<string, (...args: never[]) => unknown>;

/** The exports of a source file, e.g. `countedModule<typeof import('../../src/ssd/chunked.js')>('ssd/chunked.ts')`, and its tally. */
export function countedModule<M>(file: string): {
  module: M;
  tally: Tally;
  reset: () => void;
  array: typeof Float64Array;
} {
  const tally: Tally = { multiplications: 0, contractions: 0, exponentials: 0, allocated: new Map(), depth: 0 };
  const functions: string[] = [];
  const CountedArray = countedArrays((n) => {
    for (const name of new Set(functions)) tally.allocated.set(name, (tally.allocated.get(name) ?? 0) + n);
  });
  const runtime = operations(tally, functions);
  const loaded = new Map<string, Exports>();
  const load = (path: string): Exports => {
    const known = loaded.get(path);
    if (known) return known;
    const exports: Exports = {};
    loaded.set(path, exports);
    const require = (name: string): unknown =>
      name.startsWith('.') ? load(resolve(dirname(path), name.replace(/\.js$/, '.ts'))) : createRequire(path)(name);
    const code = instrument(readFileSync(path, 'utf8'), path);
    // A CommonJS module is a function of the names it may use.
    new Function('exports', 'require', 'Float64Array', 'Math', 'Number', '__count', code)(
      exports,
      require,
      CountedArray,
      runtime.Math,
      runtime.Number,
      runtime,
    );
    return exports;
  };
  const reset = () =>
    Object.assign(tally, { multiplications: 0, contractions: 0, exponentials: 0, depth: 0, allocated: new Map() });
  return { module: load(resolve(source, file)) as M, tally, reset, array: CountedArray };
}

/** The operators as functions that count. */
function operations(tally: Tally, functions: string[]) {
  const noted = (value: number, depth: number, ...operands: unknown[]): Counted => {
    tally.depth = Math.max(tally.depth, depth);
    return new Counted(
      value,
      depth,
      operands.some((v) => v instanceof Counted && v.sequence),
    );
  };
  const depthOf = (...operands: unknown[]) => Math.max(...operands.map((v) => (v instanceof Counted ? v.depth : 0)));
  const isCounted = (...operands: unknown[]) => operands.some((v) => v instanceof Counted);
  const scaling = (apply: (u: number, v: number) => number) => (u: Value, v: Value) => {
    if (!isCounted(u, v)) return apply(u as number, v as number);
    tally.multiplications++;
    if (u instanceof Counted && v instanceof Counted && u.sequence && v.sequence) tally.contractions++;
    return noted(apply(Number(u), Number(v)), 1 + depthOf(u, v), u, v);
  };
  const adding = (apply: (u: number, v: number) => number) => (u: Value, v: Value) =>
    isCounted(u, v) ? noted(apply(Number(u), Number(v)), depthOf(u, v), u, v) : apply(u as number, v as number);
  const functionOf =
    (name: 'exp' | 'max' | 'min' | 'abs' | 'log2' | 'ceil' | 'floor' | 'sqrt' | 'log1p' | 'expm1') =>
    (...args: Value[]) => {
      const value = (Math[name] as (...numbers: number[]) => number)(...args.map(Number));
      // Exponentials are of data only, also where a sum that is still empty is the number 0.
      if (name === 'exp') tally.exponentials++;
      if (!isCounted(...args)) return value;
      return noted(value, depthOf(...args) + (name === 'exp' ? 1 : 0), ...args);
    };
  const names = ['exp', 'max', 'min', 'abs', 'log2', 'ceil', 'floor', 'sqrt', 'log1p', 'expm1'] as const;
  const counting: Record<string, unknown> = Object.fromEntries(names.map((name) => [name, functionOf(name)]));
  return {
    '*': scaling((u, v) => u * v),
    '/': scaling((u, v) => u / v),
    // Strings are joined with the same operator.
    '+': adding((u, v) => u + v),
    '-': adding((u, v) => u - v),
    '%': (u: Value, v: Value) => Number(u) % Number(v),
    '**': (u: Value, v: Value) => Number(u) ** Number(v),
    negate: (u: Value) => (u instanceof Counted ? noted(-u.value, u.depth, u) : -u),
    enter: (name: string) => functions.push(name),
    leave: () => functions.pop(),
    // What has no counted version is not there, so that a use of it is an error and not a silent loss.
    Math: counting as unknown as Math,
    Number: {
      isFinite: (v: unknown) => Number.isFinite(Number(v)),
      isInteger: Number.isInteger,
      isSafeInteger: Number.isSafeInteger,
      MAX_VALUE: Number.MAX_VALUE,
    },
  };
}

/** A Float64Array of {@link Counted} numbers, as far as the package uses one: views share memory, and what is read is what was written. */
function countedArrays(allocate: (n: number) => void): typeof Float64Array {
  const asCounted = (v: unknown) => (v instanceof Counted ? v : new Counted(Number(v)));
  class CountedArray {
    readonly length: number;
    readonly cells: Counted[];
    readonly offset: number;

    constructor(size: number | ArrayLike<Value>, view?: { cells: Counted[]; offset: number }) {
      this.length = typeof size === 'number' ? size : size.length;
      this.offset = view?.offset ?? 0;
      this.cells =
        view?.cells ?? Array.from({ length: this.length }, (_, i) => asCounted(typeof size === 'number' ? 0 : size[i]));
      if (!view) allocate(this.length);
      const isIndex = (key: string | symbol): key is string => typeof key === 'string' && /^\d+$/.test(key);
      return new Proxy(this, {
        get: (target, key) =>
          isIndex(key)
            ? Number(key) < target.length
              ? target.cells[target.offset + Number(key)]
              : undefined
            : Reflect.get(target, key),
        set: (target, key, v) => {
          if (!isIndex(key)) return Reflect.set(target, key, v);
          target.cells[target.offset + Number(key)] = asCounted(v);
          return true;
        },
      });
    }

    static from(values: ArrayLike<Value>, map?: (v: Value, i: number) => Value): CountedArray {
      return new CountedArray(Array.from({ length: values.length }, (_, i) => (map ? map(values[i]!, i) : values[i]!)));
    }
    static of(...values: Value[]): CountedArray {
      return new CountedArray(values);
    }
    private list(): Counted[] {
      return this.cells.slice(this.offset, this.offset + this.length);
    }
    subarray(from = 0, to = this.length): CountedArray {
      return new CountedArray(to - from, { cells: this.cells, offset: this.offset + from });
    }
    slice(from = 0, to = this.length): CountedArray {
      return new CountedArray(this.list().slice(from, to));
    }
    set(values: ArrayLike<Value>, at = 0): void {
      const copied = Array.from({ length: values.length }, (_, i) => asCounted(values[i]));
      copied.forEach((v, i) => (this.cells[this.offset + at + i] = v));
    }
    fill(v: Value, from = 0, to = this.length): this {
      for (let i = from; i < to; i++) this.cells[this.offset + i] = asCounted(v);
      return this;
    }
    map(f: (v: Value, i: number) => Value): CountedArray {
      return new CountedArray(this.list().map(f));
    }
    reduce(f: (sum: Value, v: Value, i: number) => Value, start: Value): Value {
      return this.list().reduce<Value>(f, start);
    }
    every(f: (v: Value) => boolean): boolean {
      return this.list().every(f);
    }
    [Symbol.iterator](): Iterator<Counted> {
      return this.list()[Symbol.iterator]();
    }
  }
  return CountedArray as unknown as typeof Float64Array;
}

/** TypeScript source as a CommonJS function body whose arithmetic goes through `__count`. */
function instrument(code: string, path: string): string {
  const compound = new Map([
    [ts.SyntaxKind.PlusEqualsToken, '+'],
    [ts.SyntaxKind.MinusEqualsToken, '-'],
    [ts.SyntaxKind.AsteriskEqualsToken, '*'],
    [ts.SyntaxKind.SlashEqualsToken, '/'],
  ]);
  const plain = new Map([
    [ts.SyntaxKind.PlusToken, '+'],
    [ts.SyntaxKind.MinusToken, '-'],
    [ts.SyntaxKind.AsteriskToken, '*'],
    [ts.SyntaxKind.SlashToken, '/'],
    [ts.SyntaxKind.PercentToken, '%'],
    [ts.SyntaxKind.AsteriskAsteriskToken, '**'],
  ]);
  const transformer: ts.TransformerFactory<ts.SourceFile> = (context) => {
    const f = context.factory;
    const call = (name: string, ...args: ts.Expression[]) =>
      f.createCallExpression(
        f.createElementAccessExpression(f.createIdentifier('__count'), f.createStringLiteral(name)),
        undefined,
        args,
      );
    const bare = (node: ts.Expression): ts.Expression => (ts.isNonNullExpression(node) ? bare(node.expression) : node);
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isBinaryExpression(node)) {
        const left = ts.visitNode(node.left, visit) as ts.Expression;
        const right = ts.visitNode(node.right, visit) as ts.Expression;
        const operator = plain.get(node.operatorToken.kind);
        if (operator) return call(operator, left, right);
        const assigning = compound.get(node.operatorToken.kind);
        if (assigning) {
          if (/\+\+|--|=(?!=)/.test(node.left.getText()))
            throw new Error(`${path}: ${node.left.getText()} would be evaluated twice`);
          return f.createAssignment(bare(left), call(assigning, left, right));
        }
        return f.updateBinaryExpression(node, left, node.operatorToken, right);
      }
      if (
        ts.isPrefixUnaryExpression(node) &&
        node.operator === ts.SyntaxKind.MinusToken &&
        !ts.isNumericLiteral(node.operand)
      ) {
        return call('negate', ts.visitNode(node.operand, visit) as ts.Expression);
      }
      const visited = ts.visitEachChild(node, visit, context);
      if (ts.isFunctionDeclaration(visited) && visited.name && visited.body) {
        const enter = f.createExpressionStatement(call('enter', f.createStringLiteral(visited.name.text)));
        const leave = f.createBlock([f.createExpressionStatement(call('leave'))]);
        const body = f.createBlock([enter, f.createTryStatement(visited.body, undefined, leave)], true);
        return f.updateFunctionDeclaration(
          visited,
          visited.modifiers,
          visited.asteriskToken,
          visited.name,
          visited.typeParameters,
          visited.parameters,
          visited.type,
          body,
        );
      }
      return visited;
    };
    return (file) => ts.visitNode(file, visit) as ts.SourceFile;
  };
  return ts.transpileModule(code, {
    fileName: path,
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true },
    transformers: { before: [transformer] },
  }).outputText;
}
