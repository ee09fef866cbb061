/** The interface speaks plain English: no private idioms in the texts a person reads. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../fixtures/paths';

const idioms =
  /\b(told|tells?|wanted|whoever|on show|tak(e|en|ing) along|only looked at|document map|plays no|lies|so much|of people's own)\b|(?<!there )\b(is|are) no (?!longer)/i;
const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8')) as Record<string, string>;

test('texts of the interface have no private idioms', () => {
  const texts = [...Object.keys(read('l10n/bundle.l10n.de.json')), ...Object.values(read('package.nls.json'))];
  assert.deepEqual(
    texts.filter(text => idioms.test(text)),
    [],
  );
});
