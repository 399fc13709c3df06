import { defineConfig } from 'vite';

/** A page and a server that may share memory between threads. */
const isolated = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  base: './',
  // The neighbours come from source: nothing needs building before the page.
  resolve: { conditions: ['@mamba2/source', 'module', 'browser', 'development|production'] },
  build: {
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // A checkpoint's small files stay files: the loader reads them by address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: 'index.html', 'service-worker': 'src/isolation/service-worker.ts' },
      output: {
        // A service worker's place says what it may answer for, and its name must stay.
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  worker: { format: 'es' },
  server: { headers: isolated },
  preview: { headers: isolated },
});
