/** Models of tokenizer.json: which tokens of the vocabulary a piece of text becomes. */

import { BytePairEncoding } from './bytePairEncoding';
import type { Part } from './part';
import { type Model, Tokens, UnknownText, type Vocabulary } from './tokens';
import { Unigram } from './unigram';
import { WordPiece } from './wordPiece';

const types = ['BPE', 'Unigram', 'WordPiece', 'WordLevel'] as const;

export function toModel(part: Part, vocabulary: Vocabulary): Model {
  const model = read(part, vocabulary);
  part.any('vocab');
  part.finish();
  return model;
}

function read(part: Part, vocabulary: Vocabulary): Model {
  // Files of old have no type; what there is says which.
  const type = part.has('type')
    ? part.type
    : part.has('merges')
      ? 'BPE'
      : Array.isArray(part.any('vocab'))
        ? 'Unigram'
        : '';
  switch (type) {
    case 'BPE':
      return new BytePairEncoding(part, vocabulary);
    case 'Unigram':
      return new Unigram(part, vocabulary);
    case 'WordPiece': {
      const prefix = part.text('continuing_subword_prefix');
      return new WordPiece(vocabulary, part.text('unk_token'), prefix, part.count('max_input_chars_per_word'));
    }
    case 'WordLevel':
      return wordLevel(vocabulary, part.text('unk_token'));
    default:
      return part.refuse('type', part.any('type'), types.join(', '));
  }
}

function wordLevel(vocabulary: Vocabulary, unknown: string): Model {
  return {
    tokenize(piece) {
      const id = vocabulary.get(piece) ?? vocabulary.get(unknown);
      if (id === undefined) throw new UnknownText(piece);
      const tokens = new Tokens();
      tokens.push(id, 0, piece.length);
      return tokens;
    },
  };
}
