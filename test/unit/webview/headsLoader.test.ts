/** Measures and pictures of all heads stay when the text is run again, until there are newer ones. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as settle } from 'node:timers/promises';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { Failure } from '../../../src/shared/tools/failure';
import { HeadsLoader } from '../../../webview/headsLoader';

const nHeads = 2;

function open() {
  const state = { value: 1, failure: null as Error | null };
  const asked: string[] = [];
  const request = async (name: string, args: { analysisId: number; layerIdx: number }) => {
    asked.push(`${name} ${args.analysisId}/${args.layerIdx}`);
    if (state.failure) throw state.failure;
    if (name === 'thumbnails') return { size: 1, cells: Int8Array.of(state.value, state.value) };
    return Array.from({ length: nHeads }, () => ({ induction: state.value }));
  };
  const loader = new HeadsLoader({ request } as never, () => {});
  const show = async (change: Partial<PanelState>) => {
    const model = { directory: 'model', nLayers: 2, nHeads };
    loader.show({
      analysisId: 1,
      layersDone: 2,
      documentLabel: 'a.ts',
      status: 'done',
      model,
      ...change,
    } as PanelState);
    await settle();
  };
  const values = () =>
    loader.heads
      .toSorted((a, b) => a.layerIdx - b.layerIdx || a.headIdx - b.headIdx)
      .map(({ values: { induction } }) => induction);
  return { loader, state, asked, show, values };
}

test('heads of the run before stay, marked as such, until their layer is measured again', async () => {
  const { loader, state, show, values } = open();
  await show({});
  assert.deepEqual(values(), [1, 1, 1, 1]);
  state.value = 2;
  await show({ analysisId: 2, layersDone: 0, status: 'running' });
  assert.deepEqual(values(), [1, 1, 1, 1]);
  assert.deepEqual([loader.isOutdated(0), loader.isOutdated(1)], [true, true]);
  await show({ analysisId: 2, layersDone: 1, status: 'running' });
  assert.deepEqual(values(), [2, 2, 1, 1]);
  assert.deepEqual([loader.isOutdated(0), loader.isOutdated(1)], [false, true]);
  await show({ analysisId: 2, layersDone: 2 });
  assert.deepEqual(values(), [2, 2, 2, 2]);
  assert.equal(loader.layersMeasured, 2);
});

test('pictures of the run before stay until there are newer ones', async () => {
  const { loader, state, asked, show } = open();
  await show({});
  await loader.want(0, 0, nHeads);
  const before = loader.thumbnail(0, 1);
  assert.ok(before);
  state.value = 2;
  await show({ analysisId: 2, layersDone: 1, status: 'running' });
  assert.equal(loader.thumbnail(0, 1), before);
  await loader.want(0, 1, nHeads);
  assert.equal(loader.thumbnail(0, 1)?.cells[0], 2);
  await loader.want(0, 0, nHeads);
  assert.deepEqual(
    asked.filter(name => name.startsWith('thumbnails')),
    ['thumbnails 1/0', 'thumbnails 2/0'],
  );
});

const others: [string, Partial<PanelState>][] = [
  ['document', { documentLabel: 'b.ts' }],
  ['model', { model: { directory: 'other' } as PanelState['model'] }],
];
for (const [name, change] of others) {
  test(`nothing is kept for another ${name}`, async () => {
    const { loader, show, values } = open();
    await show({});
    await loader.want(0, 0, nHeads);
    await show({ analysisId: 2, layersDone: 0, status: 'running', ...change });
    assert.deepEqual([values(), loader.thumbnail(0, 0)], [[], null]);
  });
}

test('a run that ends early, or whose heads cannot be measured, leaves no heads of the run before', async () => {
  const cancelled = open();
  await cancelled.show({});
  await cancelled.show({ analysisId: 2, layersDone: 1, status: 'running' });
  await cancelled.show({ analysisId: 2, layersDone: 1, status: 'cancelled' });
  assert.equal(cancelled.loader.heads.length, nHeads);
  const failed = open();
  await failed.show({});
  failed.state.failure = new Failure('internal', 'not there');
  await failed.show({ analysisId: 2 });
  assert.deepEqual([failed.loader.heads.length, failed.loader.failure?.message], [0, 'not there']);
});
