import assert from 'node:assert/strict';
import { test } from 'node:test';
import { is } from 'valibot';
import { AddedModels } from '../../../src/analysis/addedModels';
import { parseLink } from '../../../src/shared/link';
import { relevanceOptions } from '../../../src/shared/panel/panelSchemas';
import { tinyModelDirectory } from '../../fixtures/paths';

/** What older versions, other programs or a damaged file may have left behind. */
const nonsense: unknown[] = [undefined, null, 7, 'text', {}, [7, null], ['/nowhere'], { method: 'sum' }, [[]]];

/** A store that holds one value. */
function memento(value: unknown) {
  let held = value;
  return {
    keys: () => [],
    get: () => held as never,
    update: async (_: string, next: unknown) => {
      held = next;
    },
  };
}

for (const value of nonsense) {
  test(`state that is nonsense counts as none, and is replaced: ${JSON.stringify(value)}`, async () => {
    const models = new AddedModels(memento(value), '/nowhere');
    assert.deepEqual(await models.list(), []);
    let nChanges = 0;
    models.onDidChange(() => nChanges++);
    await models.add(tinyModelDirectory);
    assert.deepEqual(
      (await models.list()).map(({ directory }) => directory),
      [tinyModelDirectory],
    );
    assert.equal(nChanges, 1);
    assert.ok(!is(relevanceOptions, value));
    assert.throws(() => parseLink(String(value)), RangeError);
  });
}

test('an added model is taken off the list, also one that cannot be read any more; its files stay', async () => {
  const models = new AddedModels(memento(['/gone', tinyModelDirectory]), '/nowhere');
  assert.deepEqual(models.directories, ['/gone', tinyModelDirectory]);
  await models.remove('/gone');
  assert.deepEqual(models.directories, [tinyModelDirectory]);
  await models.remove(`${tinyModelDirectory}/`);
  assert.deepEqual(models.directories, []);
  assert.deepEqual(await models.list(), []);
});
