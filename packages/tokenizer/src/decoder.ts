import {
  byteOfName,
  ByteFallbackStep,
  ByteLevelStep,
  ByteSpelling,
  MapStep,
  StripEdgesStep,
  type Step,
} from './decoder-steps.js';
import { componentsOf, type Fields } from './fields.js';
import { escapeLiteral, patternOf } from './pattern.js';
import { readByteLevel, readMetaspace } from './pre-tokenizer.js';

/** How tokens become text: fresh steps for each text. */
export interface Decoder {
  readonly steps: () => Step[];
  /** The bytes that a token contributes in the middle of a text. */
  readonly bytesOf: (token: string) => Uint8Array;
}

/** What one component does. */
interface Component {
  readonly step: () => Step;
  /** Whether what it gives is one text in parts, no longer token by token. */
  readonly fuses?: boolean;
  /** What it makes of a token that is not the first: another token, or bytes. */
  readonly inner?: (token: string) => string | Uint8Array;
}

/**
 * Reads `decoder`: `ByteLevel`, `ByteFallback`, `Metaspace`, `Replace`, `Fuse`, `Strip`, or a `Sequence` of them. Without one,
 * tokens are joined by spaces, as in Hugging Face's `tokenizers`.
 */
export function readDecoder(file: Fields): Decoder {
  const components: Component[] = [];
  let fused = false;
  for (const fields of componentsOf(file, 'decoder', 'decoders')) {
    const component = readComponent(fields, fused);
    components.push(component);
    fused ||= component.fuses === true;
  }
  if (components.length === 0)
    components.push({ step: () => new MapStep((token, index) => (index === 0 ? token : ` ${token}`)) });
  return {
    steps: () => components.map(({ step }) => step()),
    bytesOf: (token) => {
      let seen: string | Uint8Array = token;
      for (const { inner } of components) if (inner && typeof seen === 'string') seen = inner(seen);
      return typeof seen === 'string' ? new TextEncoder().encode(seen) : seen.slice();
    },
  };
}

function readComponent(fields: Fields, fused: boolean): Component {
  const type = fields.string('type');
  if (fused && type !== 'Strip' && type !== 'Fuse')
    fields.refuse('type', 'only Strip may follow once tokens are fused');
  switch (type) {
    case 'ByteLevel': {
      readByteLevel(fields);
      const spelling = new ByteSpelling();
      return { step: () => new ByteLevelStep(spelling), fuses: true, inner: (token) => spelling.of(token) };
    }
    case 'ByteFallback':
      fields.only('type');
      return { step: () => new ByteFallbackStep(), inner: bytesOfName };
    case 'Fuse':
      fields.only('type');
      return { step: () => new MapStep((token) => token), fuses: true };
    case 'Replace': {
      fields.only('type', 'pattern', 'content');
      const pattern = patternOf(fields);
      const content = fields.string('content');
      const replace = (token: string): string => token.replace(pattern, () => content);
      return { step: () => new MapStep(replace), inner: replace };
    }
    case 'Metaspace': {
      const { mark, prepend } = readMetaspace(fields);
      const pattern = new RegExp(escapeLiteral(mark), 'gu');
      const first = prepend === 'never' ? ' ' : '';
      const replace = (token: string, index: number): string => token.replace(pattern, index === 0 ? first : ' ');
      return { step: () => new MapStep(replace), inner: (token) => replace(token, 1) };
    }
    case 'Strip': {
      fields.only('type', 'content', 'start', 'stop');
      const char = fields.string('content');
      if ([...char].length !== 1) fields.refuse('content', 'expected one character');
      const [start, stop] = [fields.count('start', 1024), fields.count('stop', 1024)];
      if (fused) return { step: () => new StripEdgesStep(char, start, stop) };
      const strip = (token: string): string => {
        const edges = new StripEdgesStep(char, start, stop);
        return edges.push(token).join('');
      };
      return { step: () => new MapStep(strip), inner: strip };
    }
    default:
      return fields.refuse(
        'type',
        'this package decodes with ByteLevel, ByteFallback, Metaspace, Replace, Fuse and Strip',
      );
  }
}

function bytesOfName(token: string): string | Uint8Array {
  const byte = byteOfName(token);
  return byte === undefined ? token : Uint8Array.of(byte);
}
