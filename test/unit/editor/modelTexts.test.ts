import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelFacts } from '../../../src/shared/foundModels';
import '../../fixtures/vscode';

test('memory is compared with the setting where there is one, else with the budget of the machine', async () => {
  const { memoryText } = await import('../../../src/editor/modelTexts');
  const unknown = { family: null, nParameters: null, sizeBytes: null, problem: null };
  const facts = (fitsInMemory: boolean): ModelFacts => ({ ...unknown, memoryBytes: 500e6, fitsInMemory });
  assert.equal(memoryText(facts(true), 0), 'Needs 500 MB of memory.');
  assert.equal(memoryText(facts(false), 0), 'Needs 500 MB of memory, more than the memory budget of this machine.');
  assert.equal(
    memoryText(facts(true), 499),
    'Needs 500 MB of memory, more than mtaInspector.inference.memoryBudgetMb allows (499 MB).',
  );
  assert.equal(memoryText(facts(false), 500), 'Needs 500 MB of memory.');
  assert.equal(memoryText({ ...facts(true), memoryBytes: null }, 499), undefined);
});
