/// <reference types="vite/client" />
import { type Golden, parseGoldens } from '../../../../fixtures/parse.ts';

const files = import.meta.glob<string>('../../../../fixtures/goldens/**/*.safetensors', {
  query: '?url',
  import: 'default',
});

/** A golden file, from the server of the tests. */
export async function fetchGoldens(path: string): Promise<Record<string, Golden>> {
  const address = await files[`../../../../fixtures/goldens/${path}`]!();
  return parseGoldens(new Uint8Array(await (await fetch(address)).arrayBuffer()));
}
