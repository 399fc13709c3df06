import fc from 'fast-check';

const scraps = [
  ...[
    'the',
    ' and',
    "'s",
    "'LL",
    'ing',
    'Ab',
    ' ',
    '  ',
    '\n',
    '\t',
    '\r\n',
    '\u00a0',
    '\u2003',
    '\u3000',
    '\u0085',
    '\ufeff',
  ],
  ...['12', '½', 'Ⅷ', '٣', '.', '--', '<0x41>', '<s>', '</s>', '<|endoftext|>', '▁', 'Ġ', '<', '|>'],
  ...[
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
    '\u200b',
    '\u200d',
  ],
];

/** Text of every kind of character, and of the scraps that tokenizers stumble over. Always well-formed. */
export const texts = fc
  .array(
    fc.oneof(fc.constantFrom(...scraps), fc.string({ unit: 'binary', maxLength: 4 }), fc.string({ maxLength: 6 })),
    {
      maxLength: 14,
    },
  )
  .map((parts) => parts.join(''));

/** Text that may hold lone surrogates. */
export const anyStrings = fc
  .array(
    fc.oneof(
      texts,
      fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => String.fromCharCode(unit)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));
