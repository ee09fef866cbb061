/** The lists of models: which is first, which is in use. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { compare } from '../../../src/editor/compareCommand';
import { selectModel } from '../../../src/editor/modelCommands';
import { openAnalysis } from '../../fixtures/analysis';
import { editor } from '../../fixtures/vscode';

const models = [
  { name: 'toy-mta-n5', vocabSize: 40 },
  { name: 'mta-base', vocabSize: 9 },
  { name: 'SmolLM2', vocabSize: 49152 },
].map(model => ({ ...model, description: 'd', directory: `/models/${model.name}`, setting: model.name }));
const added = { list: async () => [...models] } as never;

test('the model in use is marked and comes first, models of the toy task last', async () => {
  editor.reset();
  const offered: { label: string; description?: string }[] = [];
  editor.growing = items => void offered.push(...items);
  Object.assign(models[1]!, { vocabSize: 8192 });
  await selectModel(added, {} as never, '/models/SmolLM2');
  assert.deepEqual(
    offered.slice(0, 3).map(({ label, description }) => [label, description]),
    [
      ['SmolLM2', 'in use · d'],
      ['mta-base', 'd'],
      ['toy-mta-n5', 'd'],
    ],
  );
  assert.ok('iconPath' in offered[0]! && !('iconPath' in offered[1]!));
});

test('models with the same vocabulary are offered first for a comparison', async () => {
  const { analysis, inspect } = openAnalysis();
  await inspect(editor.open('text'));
  Object.assign(models[1]!, { vocabSize: analysis.snapshot.model!.vocabSize });
  const offered: string[] = [];
  editor.answers.pick = items =>
    void offered.push(...(items as readonly { label: string }[]).map(({ label }) => label));
  const shown: string[] = [];
  const comparison = { start: async ({ label }: { label: string }) => void shown.push(label) } as never;
  const run = () => compare(analysis, comparison, added, {} as never, () => void shown.push('result'));
  await run();
  assert.deepEqual(offered.slice(1, 4), ['mta-base', 'toy-mta-n5', 'SmolLM2']);
  assert.deepEqual(shown, [], 'nothing was chosen');
  editor.answers.pick = items => (items as readonly { label: string }[]).find(({ label }) => label === 'SmolLM2');
  await run();
  assert.deepEqual(shown, ['result', 'SmolLM2'], 'its page comes into view first');
});
