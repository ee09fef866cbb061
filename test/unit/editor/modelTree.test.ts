/** Which of the listed models is marked as the one in use. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import type { AddedModels } from '../../../src/analysis/addedModels';
import type { InstalledModel } from '../../../src/analysis/installedModels';
import { ModelTree } from '../../../src/editor/modelTree';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { defaultSettings } from '../../fixtures/analysis';
import { EventEmitter } from '../../fixtures/vscode';

const models = ['first', 'second'].map(
  name => ({ name, setting: name, directory: `/${name}`, description: '' }) as InstalledModel,
);

test('the model of the current run is marked, before there is one the model that would run', async () => {
  const changes = new EventEmitter<PanelState>();
  const analysis = { snapshot: { model: null } as PanelState, onDidChange: changes.event as never };
  const added = { list: async () => models, directories: [], onDidChange: () => ({ dispose() {} }) };
  const settings = { ...defaultSettings, model: '' };
  const tree = new ModelTree(
    added as unknown as AddedModels,
    analysis,
    () => settings,
    async () => {},
  );
  let nChanges = 0;
  tree.onDidChangeTreeData(() => nChanges++);
  await tree.getChildren();
  const marked = () =>
    models.filter(model => tree.getTreeItem(model).contextValue === 'modelInUse').map(({ name }) => name);
  assert.deepEqual(marked(), ['first']);
  settings.model = 'second';
  assert.deepEqual(marked(), ['second']);
  // A sample runs with a model of its own, whatever the setting says.
  analysis.snapshot = { model: { directory: '/first' } } as PanelState;
  changes.fire(analysis.snapshot);
  assert.deepEqual(marked(), ['first']);
  assert.equal(nChanges, 1);
  changes.fire(analysis.snapshot);
  assert.equal(nChanges, 1, 'the same model');
  tree.dispose();
});
