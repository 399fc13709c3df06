import fc from 'fast-check';

const ascii = [
  'the',
  ' and',
  "'s",
  "'LL",
  'ing',
  'Ab',
  '12',
  '.',
  '--',
  '<',
  '|>',
  '<0x41>',
  '<s>',
  '</s>',
  '<|endoftext|>',
];
const spaces = [' ', '  ', '\n', '\t', '\r\n', '\u0085', '\u00a0', '\u2003', '\u3000', '\ufeff', '\u200b', '\u200d'];
const beyond = [
  '½',
  'Ⅷ',
  '٣',
  '▁',
  'Ġ',
  'é',
  'e\u0301',
  'q\u0323\u0301',
  '\u0344',
  '\u1112\u1161\u11ab',
  '状态',
  'ह',
  'िन्',
  '👩‍👧',
  '🏳️',
];

/** Text of every kind of character, and of the scraps that tokenizers stumble over. Always well-formed. */
export const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom(...ascii, ...spaces, ...beyond),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''));

const surrogates = fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => String.fromCharCode(unit));

/** Text that may hold lone surrogates. */
export const anyStrings = fc.array(fc.oneof(texts, surrogates), { maxLength: 6 }).map((parts) => parts.join(''));
