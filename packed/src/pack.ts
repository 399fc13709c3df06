import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The repository's folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A published package as its tarball holds it. */
export interface Packed {
  readonly name: string;
  /** Its folder in the repository. */
  readonly folder: string;
  /** The tarball's path. */
  readonly tarball: string;
  /** Its manifest in the repository. */
  readonly manifest: {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly exports?: Readonly<Record<string, unknown>>;
  };
}

/** Runs a program to its end. @throws Error with what it printed when it fails */
export async function run(file: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, args, { cwd, timeout: 240_000, maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`${file} ${args.join(' ')}: ${message}\n${stdout}\n${stderr}`, { cause: error });
  }
}

/** A temporary folder, and what removes it. */
export async function temporary(name: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `mamba2-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The packages that are published, by name: every workspace that is not private. */
export async function publishedFolders(): Promise<Packed[]> {
  const found: Packed[] = [];
  for (const parent of ['packages', 'apps', 'models']) {
    for (const entry of await readdir(join(root, parent))) {
      const folder = join(root, parent, entry);
      const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const manifest = JSON.parse(text) as Packed['manifest'] & { name: string; private?: boolean };
      if (!manifest.private) found.push({ name: manifest.name, folder, tarball: '', manifest });
    }
  }
  return found;
}

/** Packs every published package as it stands built, into `destination`. */
export async function packAll(destination: string): Promise<Map<string, Packed>> {
  const packages = await publishedFolders();
  const packed = packages.map(async (each): Promise<[string, Packed]> => {
    const out = await run('pnpm', ['pack', '--json', '--pack-destination', destination], each.folder);
    const { filename } = JSON.parse(out) as { filename: string };
    return [each.name, { ...each, tarball: filename }];
  });
  return new Map(await Promise.all(packed));
}

/** A package and all of ours that it needs, itself first. */
export function withDependencies(all: ReadonlyMap<string, Packed>, ...names: readonly string[]): Packed[] {
  const wanted = new Set<Packed>();
  const add = (name: string) => {
    const found = all.get(name);
    if (!found || wanted.has(found)) return;
    wanted.add(found);
    Object.keys(found.manifest.dependencies ?? {}).forEach(add);
  };
  names.forEach(add);
  return [...wanted];
}
