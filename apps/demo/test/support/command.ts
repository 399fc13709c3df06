import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** What the command in the terminal writes. @param env what its environment has besides this process's */
export async function generate(flags: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const run = ['--import', 'tsx', '--conditions=@mamba2/source', 'apps/cli/src/main.ts', 'generate', ...flags];
  const { stdout } = await promisify(execFile)(process.execPath, run, { cwd: root, env: { ...process.env, ...env } });
  return stdout;
}
