/** What every version of VS Code that the manifest allows must do: inspect, hover, show the panel. See `npm run test:versions`. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../fixtures/paths';
import { inspectFile, mapOf, untilDone } from '../harness/panel';
import { startWorkbench, type Workbench } from '../harness/workbench';

let workbench: Workbench;

before(async () => {
  workbench = await startWorkbench({ builtIn: 'all', folder: join(root, 'test', 'fixtures', 'documents') });
});
after(() => workbench?.close());

test('the panel shows the map of the document, and a hover what a word attends to', async () => {
  const frame = await untilDone(workbench, () => inspectFile(workbench, 'inventory.ts'));
  const map = await mapOf(frame);
  assert.ok(map.nTokens > 300, `${map.nTokens} tokens`);
  const hover = await workbench.hoverText('price', 2);
  assert.match(hover, /price · .* looks at line \d/s);
  const log = workbench.logFiles('remoteexthost');
  assert.doesNotMatch(log, /rejected promise not handled[\s\S]{0,2000}mta-inspector/);
});
