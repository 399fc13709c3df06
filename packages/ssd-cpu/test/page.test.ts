import { build } from 'esbuild';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBrowser } from '../../../tools/browser/browser.js';
import { launchBrowser } from '../../../tools/browser/launch.js';

const missing = await findBrowser().then(
  () => undefined,
  (error: unknown) => error,
);

it('a browser is there, or need not be', () => {
  if (process.env['REQUIRE_GPU'] === '1') expect(missing).toBeUndefined();
});

/** What a page says of a backend: where it runs and why, and the double of some numbers; or the error. */
interface Said {
  device?: string;
  note?: string;
  doubled?: number[];
  error?: string;
}

const tests = () => {
  let browser: Browser;
  let script: string;
  beforeAll(async () => {
    browser = await launchBrowser();
    const { outputFiles } = await build({
      stdin: {
        contents: `
          import { wasm } from './src/index.ts';
          globalThis.ask = async () => {
            try {
              const backend = await wasm({ threads: 2 });
              const t = backend.upload([1, 2, 3]);
              const doubled = Array.from(await backend.read(backend.add(t, t)));
              const { device, notes: [note] } = backend.describe();
              backend.dispose();
              return { device, note, doubled };
            } catch (error) {
              return { error: error.name + ': ' + error.message };
            }
          };`,
        resolveDir: new URL('..', import.meta.url).pathname,
      },
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      conditions: ['@mamba2/source'],
    });
    script = outputFiles[0]!.text.replaceAll('</script', '<\\/script');
  });
  afterAll(() => browser?.close());

  /** Opens the page at an address with these headers; nothing else may be asked of the network. */
  async function said(headers: Record<string, string>, address = 'http://localhost/'): Promise<Said> {
    const page = await browser.newPage();
    const asked: string[] = [];
    await page.route(/^https?:/, (route) => {
      asked.push(route.request().url());
      return route.fulfill({ contentType: 'text/html', headers, body: `<script type="module">${script}</script>` });
    });
    await page.goto(address);
    const answer = await page.evaluate(() => (globalThis as unknown as { ask(): Promise<Said> }).ask());
    await page.close();
    expect(asked).toEqual([address]);
    return answer;
  }

  const policy = (text: string) => ({
    'Content-Security-Policy': `default-src 'none'; script-src 'unsafe-inline' ${text}`,
  });
  const doubled = [2, 4, 6];

  it('that is isolated has threads', async () => {
    const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
    const device = 'WebAssembly, 2 threads (Web Workers), relaxed SIMD';
    expect(await said(headers)).toMatchObject({ device, doubled });
  });

  it('that is not has a worker', async () => {
    const device = 'WebAssembly, 1 thread (a Web Worker), relaxed SIMD';
    expect(await said({})).toMatchObject({ device, note: expect.stringContaining('Cross-Origin-Opener'), doubled });
  });

  it('without a secure connection has one, too', async () => {
    const device = 'WebAssembly, 1 thread (a Web Worker), relaxed SIMD';
    expect(await said({}, 'http://somewhere.test/')).toMatchObject({ device, doubled });
  });

  it('works under the policy that the README asks for', async () => {
    const device = 'WebAssembly, 1 thread (a Web Worker), relaxed SIMD';
    expect(await said(policy(`'wasm-unsafe-eval'; worker-src blob:`))).toMatchObject({ device, doubled });
  });

  it('whose policy has data: for workers gets one that way', async () => {
    const device = 'WebAssembly, 1 thread (a Web Worker), relaxed SIMD';
    const note = expect.stringContaining('does not allow workers made from blobs');
    expect(await said(policy(`'wasm-unsafe-eval'; worker-src data:`))).toMatchObject({ device, note, doubled });
  });

  it('whose policy allows no workers computes on its own thread, and says so', async () => {
    const device = 'WebAssembly, 1 thread (the calling thread), relaxed SIMD';
    const note = expect.stringContaining('worker-src blob:');
    expect(await said(policy(`'wasm-unsafe-eval'; worker-src 'none'`))).toMatchObject({ device, note, doubled });
  });

  it('whose policy allows no WebAssembly gets an error that names what it has to allow', async () => {
    expect((await said(policy(`; worker-src blob:`))).error).toMatch(
      /^DeviceError: the kernels did not start; .*to mend it: .*script-src 'wasm-unsafe-eval'/,
    );
  });
};

if (missing === undefined) describe('a page of one file', tests);
