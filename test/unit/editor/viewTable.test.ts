import '../../fixtures/vscode';
import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { commands } from '../../../src/contributionIds';
import { registerMaintenanceCommands } from '../../../src/editor/maintenanceCommands';
import { PanelTab } from '../../../src/panel/panelTab';
import { openAnalysis } from '../../fixtures/analysis';
import { editor } from '../../fixtures/vscode';

afterEach(() => mock.timers.reset());

test('View Map as Table opens the panel at the table of the current map, and says where there is none', async () => {
  const { analysis } = openAnalysis();
  const tab = new PanelTab();
  const errors: unknown[] = [];
  let nShown = 0;
  const runReported = (run: () => Promise<void>) => run().catch(error => void errors.push(error.code));
  const registered = registerMaintenanceCommands(
    ...([analysis, () => {}, tab, () => ({}) as never, runReported, () => nShown++] as const),
  );
  const run = editor.commands.get(commands.viewTable)!;
  await run();
  assert.deepEqual([errors, nShown, tab.take()], [['no-analysis'], 0, null]);
  Object.defineProperty(analysis, 'snapshot', { get: () => ({ model: {}, view: {} }) });
  await run();
  assert.deepEqual([nShown, tab.take()], [1, 'table']);
  registered.dispose();
});
