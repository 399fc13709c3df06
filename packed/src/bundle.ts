import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

/** A bundle's start file, as a bundler makes it for a page: what an import costs before anything else is asked for. */
export interface Bundle {
  /** Compressed by brotli, in bytes. */
  readonly size: number;
  /** The packages whose code is in it. */
  readonly packages: readonly string[];
  /** The packages whose code is in files that are loaded on demand. */
  readonly later: readonly string[];
}

/** Bundles and minifies a module that is to stand in the folder `app`. */
export async function bundle(app: string, code: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: app },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    external: ['node:*', 'webgpu'],
    outdir: 'bundle',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const [start] = Object.keys(metafile.outputs).filter((path) => metafile.outputs[path]!.entryPoint === '<stdin>');
  const first = new Set<string>();
  const visit = (path: string) => {
    if (first.has(path)) return;
    first.add(path);
    for (const each of metafile.outputs[path]!.imports)
      if (each.kind === 'import-statement' && !each.external) visit(each.path);
  };
  visit(start!);
  const others = Object.keys(metafile.outputs).filter((path) => !first.has(path));
  const text = outputFiles.filter(({ path }) => [...first].some((name) => path.endsWith(name)));
  return {
    size: text.reduce((sum, { contents }) => sum + brotliCompressSync(contents).length, 0),
    packages: packagesIn(metafile.outputs, [...first]),
    later: packagesIn(metafile.outputs, others),
  };
}

type Outputs = Awaited<ReturnType<typeof build>>['metafile'] & {};

function packagesIn(outputs: Outputs['outputs'], paths: readonly string[]): string[] {
  const names = paths.flatMap((path) =>
    Object.entries(outputs[path]!.inputs)
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([input]) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? 'the app'),
  );
  return [...new Set(names)].filter((name) => name !== 'the app').sort();
}
