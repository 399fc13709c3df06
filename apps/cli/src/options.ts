import type { Readable, Writable } from 'node:stream';
import type { ParseArgsConfig } from 'node:util';
import { type BackendName, backendNames, type LoadDtype, loadDtypes, type LoadOptions, Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';
import { progressLine } from './progress.js';

/** Where a command reads and writes. */
export interface Io {
  stdin: Readable;
  stdout: Writable;
  stderr: Writable & { isTTY?: boolean };
  /** Aborted on Ctrl-C. */
  signal: AbortSignal;
}

export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

export interface Parsed {
  values: Values;
  positionals: string[];
}

export interface Command {
  summary: string;
  help: string;
  options: NonNullable<ParseArgsConfig['options']>;
  run(parsed: Parsed, io: Io): Promise<void>;
}

/** A command line that makes no sense; the exit status tells it from a failure. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Options that every command with a model takes. */
export const modelOptions = {
  model: { type: 'string', short: 'm' },
  revision: { type: 'string' },
  backend: { type: 'string', short: 'b' },
  dtype: { type: 'string', short: 'd' },
  json: { type: 'boolean' },
} as const satisfies Command['options'];

export const modelHelp = `  -m, --model PLACE     a checkpoint: a hub id (owner/name; HF_TOKEN for private ones, HF_ENDPOINT for another
                        hub), a folder or a URL; the storyteller if left out
      --revision NAME   a hub model's branch, tag or commit
  -b, --backend NAME    where to compute: webgpu (the default where there is a GPU), wasm (elsewhere),
                        or reference: exact, slow
  -d, --dtype NAME      how matrices are kept: stored (the default), f32, f16, bf16, q8 or q4
      --json            one JSON object on stdout in place of text
  -h, --help            this text
`;

/** Loads the model that the options name, with progress on stderr. */
export async function openModel({ values }: Parsed, io: Io): Promise<Mamba2> {
  const name = text(values, 'backend');
  if (name !== undefined && !backendNames.includes(name as BackendName))
    throw new UsageError(`unknown backend "${name}"; one of ${backendNames.join(', ')}`);
  const dtype = text(values, 'dtype');
  if (dtype !== undefined && !loadDtypes.includes(dtype as LoadDtype))
    throw new UsageError(`unknown dtype "${dtype}"; one of ${loadDtypes.join(', ')}`);
  const place = text(values, 'model');
  const progress = progressLine(io.stderr);
  try {
    return await Mamba2.load(place ?? storyteller, {
      ...(name !== undefined && { backend: name as BackendName }),
      ...(dtype !== undefined && { dtype: dtype as LoadDtype }),
      ...hubOptions(values),
      signal: io.signal,
      onProgress: ({ stage, loaded, total, tensor }) =>
        progress.show(
          stage === 'fetching' ? `fetching ${tensor}` : `loading ${place ?? storyteller.name}`,
          loaded,
          total,
        ),
    });
  } finally {
    progress.clear();
  }
}

/** Which of a hub's models, and how to get at it, as other tools take it from the environment. */
export function hubOptions(values: Values): Pick<LoadOptions, 'revision' | 'token' | 'endpoint'> {
  const revision = text(values, 'revision');
  const { HF_TOKEN: token, HF_ENDPOINT: endpoint } = process.env;
  return { ...(revision !== undefined && { revision }), ...(token && { token }), ...(endpoint && { endpoint }) };
}

/** A string option, if given. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** A numeric option, if given. @throws UsageError when it is not a number */
export function number(values: Values, name: string): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const value = Number(given);
  if (given.trim() === '' || Number.isNaN(value)) throw new UsageError(`--${name} takes a number, not "${given}"`);
  return value;
}

/** The single positional argument, or stdin's text where it is `-`. @throws UsageError for more than one */
export async function inputText({ positionals }: Parsed, io: Io): Promise<string | undefined> {
  if (positionals.length > 1) throw new UsageError(`one text expected, ${positionals.length} given; put it in quotes`);
  if (positionals[0] !== '-') return positionals[0];
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

/** An error's message without line breaks. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ');
}
