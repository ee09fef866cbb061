/** Ids and offsets of 2000 texts in 27 scripts equal those of `tokenizers` (models/export/tokenizer_pipelines.py). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkGroup, pipelines, texts } from '../fixtures/tokenizerPipelines';

for (const [name, { hashes }] of Object.entries(pipelines)) {
  test(`${name}: ids and offsets of ${texts.length} texts`, () => {
    assert.equal(hashes.length, 200);
    for (let group = 0; group < hashes.length; group++) checkGroup(name, group);
  });
}
