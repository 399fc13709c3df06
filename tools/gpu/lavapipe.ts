import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { arch } from 'node:process';
import { join } from 'node:path';
import { filledOnce, run } from '../cache.js';

/** A Vulkan driver that needs no GPU. */
export interface Driver {
  readonly name: 'lavapipe' | 'swiftshader';
  /** What Dawn's `adapter=` option finds it by. */
  readonly adapter: string;
  /** Its manifest, for `VK_ICD_FILENAMES`. */
  readonly icd: string;
  /** A folder with its libraries, for `LD_LIBRARY_PATH`. */
  readonly libraries: string;
}

/** Debian releases whose own Mesa is too old for Dawn, and where a new enough one is. */
const SUITE: Readonly<Record<string, string>> = { bookworm: 'bookworm-backports' };

const SOURCES = '/etc/apt/sources.list.d/debian.sources';

/**
 * Mesa's CPU driver, from Debian's packages unpacked into the cache: nothing is installed, and root is not needed. What it depends on and the
 * machine lacks comes along. Has f16 and subgroups of 8.
 * @param say told what is fetched and how large it is, before
 * @throws Error where there is no apt, or the download fails
 */
export async function lavapipe(say: (line: string) => void): Promise<Driver> {
  const root = await filledOnce('lavapipe', (folder) => fetchLavapipe(folder, say));
  const machine = arch === 'arm64' ? 'aarch64' : 'x86_64';
  const libraries = join(root, 'usr/lib', `${machine}-linux-gnu`);
  const icd = join(root, 'lavapipe.json');
  await writeFile(
    icd,
    JSON.stringify({
      file_format_version: '1.0.0',
      ICD: { api_version: '1.4.305', library_path: join(libraries, 'libvulkan_lvp.so') },
    }),
  );
  return { name: 'lavapipe', adapter: 'llvmpipe', icd, libraries };
}

async function fetchLavapipe(folder: string, say: (line: string) => void): Promise<void> {
  if (!existsSync(SOURCES)) throw new Error(`lavapipe is fetched from Debian's packages, and there is no ${SOURCES}`);
  const codename = /VERSION_CODENAME=(\w+)/.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? '';
  const suite = SUITE[codename] ?? codename;
  const apt = await ownApt(join(folder, 'apt'), codename, suite);
  const wanted = ['--no-install-recommends', '-t', suite, 'install', 'mesa-vulkan-drivers', 'libvulkan1'];
  await apt('update');
  const plan = await apt('--assume-no', ...wanted).catch((error: unknown) =>
    String((error as { stdout?: string }).stdout),
  );
  say(
    `lavapipe: fetching ${/Need to get ([^\n]*) of archives/.exec(plan)?.[1] ?? 'its packages'} from Debian (${suite})`,
  );
  await apt('--yes', '--download-only', ...wanted);
  const archives = join(folder, 'apt/cache/archives');
  for (const file of await readdir(archives)) {
    if (file.endsWith('.deb')) await run('dpkg-deb', ['-x', join(archives, file), folder]);
  }
  await run('rm', ['-r', join(folder, 'apt')]);
}

/** An apt-get with lists and a cache of its own, the machine's sources with one more suite, and the machine's knowledge of what is installed. */
async function ownApt(folder: string, codename: string, suite: string) {
  const parts = join(folder, 'sources');
  for (const path of ['sources', 'lists/partial', 'cache/archives/partial']) {
    await mkdir(join(folder, path), { recursive: true });
  }
  const sources = await readFile(SOURCES, 'utf8');
  await writeFile(
    join(parts, 'debian.sources'),
    sources.replace(new RegExp(`^Suites:(.*\\b${codename}\\b(?!-).*)$`, 'm'), (line) =>
      line.includes(suite) ? line : `${line} ${suite}`,
    ),
  );
  const settings = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': parts,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'Debug::NoLocking': 'true',
    'APT::Sandbox::User': '',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return (...args: string[]) => run('apt-get', ['--quiet', ...options, ...args]);
}
