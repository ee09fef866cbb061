/** The models that are offered to begin with. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { huggingFaceFamilies } from '../../../src/graph/huggingFaceConfig';
import { knownModels } from '../../../src/hub/knownModels';
import { parseRepository } from '../../../src/shared/repository';

test('each known model has an id with its owner, and a family that is computed', () => {
  for (const { id, family } of knownModels) {
    assert.deepEqual(parseRepository(id), { id, revision: null });
    assert.ok(id.includes('/'), id);
    assert.ok(huggingFaceFamilies.includes(family), `${id}: ${family}`);
  }
});

test('each is listed once, small ones first', () => {
  assert.equal(new Set(knownModels.map(({ id }) => id)).size, knownModels.length);
  const sizes = knownModels.map(({ nParameters }) => nParameters);
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => a - b),
  );
});
