import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkToyData, generateToySamples, toyAnswers } from '../../../src/cli/toy';

for (const blockLength of [5, 8]) {
  for (const answer of toyAnswers) {
    test(`samples of ${blockLength} letters, answer ${answer}: one block holds the query, the answer is its part`, () => {
      const { samples, nCut } = generateToySamples({ blockLength, queryLength: 2, answer }, 200, 5);
      assert.equal(checkToyData({ samples }), '');
      assert.equal(nCut > 0, blockLength === 8, `${nCut} cut`);
      assert.ok(new Set(samples.map(sample => sample.targetIndex)).size > 20);
      for (const { src, tgt, tokens } of samples) {
        const [blocks = '', query = ''] = src.split('#');
        const block = blocks.split('.').find(candidate => [...query].every(letter => candidate.includes(letter)))!;
        assert.equal(tgt, { all: block, first: block[0], last: block.at(-1) }[answer]);
        assert.equal(src.length + block.length, 319);
        assert.equal(tokens.length, src.length + tgt.length + 2);
      }
    });
  }
}

test('the samples are those that training in Python is evaluated on', () => {
  // models/tests/test_toy.py holds its generator to the same sample.
  const { samples } = generateToySamples({ blockLength: 5, queryLength: 2, answer: 'all' }, 1, 7);
  const { src, tgt, targetIndex } = samples[0]!;
  assert.deepEqual(
    [src.slice(0, 23), src.slice(-8), tgt, targetIndex],
    ['gotih.acztp.tnglk.nizbx', 'eujsw#za', 'acztp', 1],
  );
});
