import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheFolders } from '../fuzz/folderTarget';
import { fuzz } from '../fuzz/fuzz';
import { processRequest } from '../fuzz/processTargets';

// Always the same inputs; `npm run fuzz` tries others, and many more.
test('what the inference process is asked in a wrong way is answered, and it goes on', async () => {
  const { runs } = await fuzz(processRequest, { runs: 150, seed: 42 });
  assert.equal(runs, 150);
});

test('stores of models with anything in them are listed, and nothing outside is shown', async () => {
  const { runs } = await fuzz(cacheFolders, { runs: 300, seed: 42 });
  assert.equal(runs, 300);
});
