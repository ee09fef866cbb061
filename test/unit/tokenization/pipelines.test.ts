/** Ids and offsets of texts in 27 scripts equal those of `tokenizers` (models/export/tokenizer_pipelines.py). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkGroup, pipelines } from '../../fixtures/tokenizerPipelines';

// Some of the texts; test/integration/tokenizerPipelines.test.ts has the others.
for (const [name, { hashes }] of Object.entries(pipelines)) {
  test(`${name}: ids and offsets`, () => {
    for (let group = 0; group < hashes.length; group += 20) checkGroup(name, group);
  });
}

test('the pipelines that the guide names are there', () => assert.ok(Object.keys(pipelines).length >= 34));
