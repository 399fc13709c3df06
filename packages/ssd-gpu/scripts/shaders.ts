import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Puts the text of every `.wgsl` file into one TypeScript module, so that bundlers, test runners and Node need no loader for it. A test
 * checks that the module is up to date; `pnpm shaders` makes it so.
 */
const folder = new URL('../src/wgsl/', import.meta.url);
export const target = new URL('../src/shaders.generated.ts', import.meta.url);

/** The module's text. @throws Error for a file that a template string would not hold as it is */
export function shadersModule(): string {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.wgsl'))
    .sort();
  const exports = files.map((name) => {
    const text = readFileSync(new URL(name, folder), 'utf8');
    if (/[`\\]|\$\{/.test(text)) throw new Error(`${name} holds a backtick, a backslash or \${`);
    const constant = name.replace('.wgsl', '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    return `export const ${constant} = \`${text}\`;\n`;
  });
  return ['// Made from the .wgsl files by scripts/shaders.ts.\n', ...exports].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, shadersModule());
