import assert from 'node:assert/strict';
import { test } from 'node:test';
import { languages, wrongTexts } from '../../../scripts/l10n.mjs';

for (const language of languages()) {
  test(`every text has its translation (${language}), with the same places and links, and none is left over`, () => {
    assert.deepEqual(wrongTexts(language), []);
  });
}

test('there is a translation', () => {
  assert.ok(languages().length > 0);
});
