import { TokenizerError } from './errors.js';
import { componentsOf, Fields, mismatch } from './fields.js';
import { readByteLevel } from './pre-tokenizer.js';

/** What is put around a text's tokens, and how their offsets are trimmed. */
export interface PostProcessor {
  /** Ids before and after the text's own. */
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  /** Moves a token's range, in code points, past the white space that the token holds at its ends. */
  readonly trim?: (token: string, start: number, end: number, isFirst: boolean) => [number, number];
}

/** Reads `post_processor`: `ByteLevel`, `TemplateProcessing`, or a `Sequence` of them. */
export function readPostProcessor(file: Fields, idOf: (token: string) => number | undefined): PostProcessor {
  let prefix: number[] = [];
  let suffix: number[] = [];
  let trim: PostProcessor['trim'];
  for (const fields of componentsOf(file, 'post_processor', 'processors')) {
    switch (fields.string('type')) {
      case 'ByteLevel': {
        const byteLevel = readByteLevel(fields);
        if (byteLevel.trim) trim = trimmer(byteLevel.prefix);
        break;
      }
      case 'TemplateProcessing': {
        const template = readTemplate(fields, idOf);
        prefix = [...template.prefix, ...prefix];
        suffix = [...suffix, ...template.suffix];
        break;
      }
      default:
        fields.refuse('type', 'this package post-processes with ByteLevel and TemplateProcessing');
    }
  }
  return { prefix, suffix, ...(trim && { trim }) };
}

/** Reads `single` and `special_tokens`; `pair` is for pairs of texts, which this package does not encode. */
function readTemplate(
  fields: Fields,
  idOf: (token: string) => number | undefined,
): { prefix: number[]; suffix: number[] } {
  fields.only('type', 'single', 'pair', 'special_tokens');
  const around: { prefix: number[]; suffix: number[] } = { prefix: [], suffix: [] };
  let seen = false;
  fields.list('single').forEach((entry, i) => {
    const item = new Fields(entry, `${fields.at('single')}[${i}]`);
    item.only('Sequence', 'SpecialToken');
    const isText = item.raw('Sequence') !== undefined;
    const part = item.fields(isText ? 'Sequence' : 'SpecialToken');
    part.only('id', 'type_id');
    part.unset('type_id');
    const id = part.string('id');
    if (!isText)
      for (const special of specialIds(fields, id, idOf)) (seen ? around.suffix : around.prefix).push(special);
    else if (seen || id !== 'A') item.refuse('Sequence', 'expected the sequence A, once');
    else seen = true;
  });
  if (!seen) throw mismatch(fields.at('single'), 'a template with the sequence A', fields.raw('single'));
  return around;
}

/** The ids that a name in a template stands for. */
function specialIds(fields: Fields, name: string, idOf: (token: string) => number | undefined): number[] {
  const special = fields.fields('special_tokens').fields(name);
  special.only('id', 'ids', 'tokens');
  const tokens = special.list('tokens');
  return special.list('ids').map((id, i) => {
    const token = tokens[i];
    if (typeof id !== 'number' || typeof token !== 'string' || idOf(token) !== id) {
      throw new TokenizerError(
        `tokenizer.json: ${special.path} gives the id ${String(id)} to ${JSON.stringify(token)}, unlike the vocabulary`,
      );
    }
    return id;
  });
}

/** The trimming of Hugging Face's byte-level post-processor, which leaves a first space alone if it may have been added. */
function trimmer(prefix: boolean): NonNullable<PostProcessor['trim']> {
  return (token, start, end, isFirst) => {
    let leading = countSpaces(token, 0, 1);
    const trailing = countSpaces(token, token.length - 1, -1);
    if (leading === 1 && prefix && (isFirst || start === 0)) leading = 0;
    const from = Math.min(start + leading, end);
    return [from, end >= trailing ? Math.max(end - trailing, from) : end];
  };
}

/** How many characters from `at` on, in one direction, are white space or the byte alphabet's space; all are one unit long. */
function countSpaces(token: string, at: number, step: 1 | -1): number {
  let count = 0;
  for (let char = token[at]; char !== undefined && /[\p{White_Space}\u0120]/u.test(char); char = token[at]) {
    count++;
    at += step;
  }
  return count;
}
