import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const tools = fileURLToPath(new URL('../', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const tsx = join(root, 'node_modules/.bin/tsx');

/** A fenced block of a Markdown file. */
export interface CodeBlock {
  /** What stands behind the opening fence: `ts`, `console`, … */
  language: string;
  /** The line of the file on which the code begins, from 1. */
  line: number;
  code: string;
}

/** The fenced blocks of a Markdown text, in order. @throws Error for a fence that is never closed */
export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { fence: string; language: string; line: number; code: string[] } | undefined;
  for (const [i, line] of markdown.split('\n').entries()) {
    const [, fence, language] = /^ *(`{3,})(.*)$/.exec(line) ?? [];
    if (open && fence !== undefined && fence.length >= open.fence.length && language === '') {
      blocks.push({ language: open.language, line: open.line, code: open.code.join('\n') });
      open = undefined;
    } else if (open) open.code.push(line);
    else if (fence !== undefined) open = { fence, language: language!.trim(), line: i + 2, code: [] };
  }
  if (open) throw new Error(`the code block on line ${open.line - 1} is never closed`);
  return blocks;
}

/**
 * The `ts` blocks of a Markdown text as one module whose lines are those of the text, so that an error names the right line.
 */
export function moduleOf(markdown: string): string {
  const lines: string[] = [];
  for (const { language, line, code } of codeBlocks(markdown)) {
    if (language !== 'ts') continue;
    while (lines.length < line - 1) lines.push('');
    lines.push(...code.split('\n'));
  }
  return lines.join('\n');
}

/** The fenced blocks in the docstrings of a TypeScript source, in order. */
export function docstringBlocks(source: string): CodeBlock[] {
  return codeBlocks(source.replaceAll(/^ *\* ?/gm, ''));
}

/** What running printed. */
export interface Ran {
  stdout: string;
  stderr: string;
}

/**
 * Runs the `ts` blocks of a Markdown file in order, as one module in a process of its own, with `@mamba2/*` from source.
 * @throws Error when they throw or don't end within two minutes, with what was printed and where in the file
 */
export async function runCodeBlocks(path: string): Promise<Ran> {
  return runModule(path, moduleOf(await readFile(path, 'utf8')));
}

/** Runs one block of a file as a module by itself, as {@link runCodeBlocks} does. */
export async function runBlock(path: string, { line, code }: CodeBlock): Promise<Ran> {
  return runModule(path, '\n'.repeat(line - 1) + code);
}

async function runModule(path: string, code: string): Promise<Ran> {
  // Inside this package, so that the packages resolve as they do for anyone who depends on them.
  const folder = await mkdtemp(join(tools, '.docs-'));
  const file = join(folder, `${basename(path)}.ts`);
  try {
    await writeFile(file, code);
    return await run(['--conditions=@mamba2/source', file]);
  } catch (error) {
    const { stderr = '', message } = error as Error & Partial<Ran>;
    throw new Error(`${path}: ${(stderr || message).replaceAll(file, path)}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * Runs a `console` block's commands, the lines that begin with `$ pnpm mamba2`, and gives what each should print (the lines after it) and
 * what it prints.
 * @throws Error for a command of another kind, or one that fails
 */
export async function runConsole(block: CodeBlock): Promise<{ command: string; shown: string; printed: string }[]> {
  const sessions = block.code.split(/^\$ /m).slice(1);
  const results = [];
  for (const session of sessions) {
    const [command = '', ...shown] = session.split('\n');
    const [, rest] = /^pnpm mamba2 (.*)$/.exec(command) ?? [];
    if (rest === undefined) throw new Error(`line ${block.line}: only "pnpm mamba2 …" is run, not "${command}"`);
    const args = [...rest.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
    const { stdout } = await run(['--conditions=@mamba2/source', 'apps/cli/src/main.ts', ...args]);
    results.push({ command, shown: shown.join('\n').trimEnd(), printed: stdout.trimEnd() });
  }
  return results;
}

function run(args: string[]): Promise<Ran> {
  return promisify(execFile)(tsx, args, { cwd: root, timeout: 120_000, maxBuffer: 2 ** 26 });
}
