import { componentsOf, type Fields } from './fields.js';
import { nfcPiece } from './nfc.js';
import { patternOf } from './pattern.js';
import { prependToPiece, replaceInPiece, type Piece } from './piece.js';

/** What happens to text before it is split. */
export type Normalizer = (piece: Piece) => Piece;

/** Reads `normalizer`: `NFC`, `Prepend`, `Replace`, or a `Sequence` of them. */
export function readNormalizer(file: Fields): Normalizer {
  const steps = componentsOf(file, 'normalizer', 'normalizers').map(readStep);
  return (piece) => steps.reduce((done, step) => step(done), piece);
}

function readStep(fields: Fields): Normalizer {
  switch (fields.string('type')) {
    case 'NFC':
      fields.only('type');
      return nfcPiece;
    case 'Prepend': {
      fields.only('type', 'prepend');
      const text = fields.string('prepend');
      return (piece) => prependToPiece(piece, text);
    }
    case 'Replace': {
      fields.only('type', 'pattern', 'content');
      const pattern = patternOf(fields);
      const content = fields.string('content');
      return (piece) => replaceInPiece(piece, pattern, content);
    }
    default:
      return fields.refuse('type', 'this package normalises with NFC, Prepend and Replace');
  }
}
