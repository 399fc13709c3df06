import { build } from 'esbuild';
import { serve } from './checkpoint-files.js';

/** A site whose page is `hub-page.ts`. On a port of its own: to the page, a hub is another site. */
export async function hubSite(): Promise<{ url: string; close: () => Promise<void> }> {
  const { outputFiles } = await build({
    entryPoints: [new URL('hub-page.ts', import.meta.url).pathname],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['@mamba2/source'],
    external: ['node:*'],
  });
  const script = outputFiles[0]!.text.replaceAll('</script', '<\\/script');
  return serve((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<script type="module">${script}</script>`);
  });
}
