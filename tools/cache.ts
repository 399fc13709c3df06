import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Where fetched drivers stay between runs: `MAMBA2_CACHE`, or `mamba2` in the user's cache folder. */
export function cacheFolder(): string {
  return process.env['MAMBA2_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mamba2');
}

/**
 * A folder filled once: `fill` gets an empty folder beside it, which takes its place when done, so that an interrupted download leaves
 * nothing half-made and two processes at once don't disturb each other.
 */
export async function filledOnce(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const scratch = await mkdtemp(`${folder}.`);
  try {
    await fill(scratch);
    await rename(scratch, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return folder;
}

const execute = promisify(execFile);

/** Runs a program to its end; its standard output. @throws Error with what it printed, if it fails */
export async function run(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const { stdout } = await execute(command, [...args], {
    cwd,
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return stdout;
}
