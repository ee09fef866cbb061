import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatModel, type ModelListing } from '../../../src/cli/models';

const listing: ModelListing = {
  name: 'small',
  directory: '/models/small',
  parameters: 18_884_088,
  size_bytes: 37_779_816,
  n_layers: 8,
  n_heads: 6,
  vocab_size: 12288,
  max_seqlen: 1024,
  mta_layers: [2, 6],
  tokens_seen: 48_594_944,
  metrics: { validation_books_bpb: 1.4246, heldout_code_bpb: 0.8957, toy_error: 0.001 },
};

test('a model is summed up with its size, context, tokens seen and bits per byte', () => {
  assert.equal(
    formatModel(listing),
    [
      'small: 18.9 M parameters, 37.8 MB',
      '    8 layers, 6 heads, context 1024, key-query convolution in layers 2, 6',
      '    trained on 48.6 M tokens',
      '    bits per byte: validation books 1.4246, heldout code 0.8957',
      '    toy error: 0.001',
    ].join('\n'),
  );
});

test('what config.json does not say is left out', () => {
  const text = formatModel({ ...listing, mta_layers: [], tokens_seen: null, metrics: {} });
  assert.equal(text, 'small: 18.9 M parameters, 37.8 MB\n    8 layers, 6 heads, context 1024, no kernels');
});
